"""What tests of replay and healing do about quarantine, and what they ask of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from sinks.quarantine_trail import Filter, choose, new_run
from sinks.reconcile import reconcile
from streams.assignment import MARK_TOPICS
from streams.replaying import send
from tests.streams.rig import Place, Rig


class Stands(NamedTuple):
    """How an entry stands: state, reason it has now, attempts."""

    state: str
    reason: str
    attempts: int


def replay(rig: Rig, **wanted: Any) -> list[Place]:
    """Send the open entries of a filter again; where the replays stand."""
    before = set(rig.replays())
    chosen = choose(rig.client, Filter(**wanted), list(MARK_TOPICS)).chosen
    send(rig.settings, rig.client, chosen, run=new_run(), by="data manager")
    return [place for place in rig.replays() if place not in before]


def stands(rig: Rig, place: Place) -> dict[int, Stands]:
    """How the entries of a message stand, by item."""
    rows = rig.client.query(
        "SELECT item, state, reason, attempts FROM quarantine_entries"
        " WHERE topic_id = {u:String} AND partition = {p:UInt16} AND offset = {o:UInt64}",
        {"u": rig.topics[place.topic].uuid, "p": place.partition, "o": place.offset},
    ).result_rows
    return {item: Stands(*rest) for item, *rest in rows}


def still_open(rig: Rig) -> list[tuple[str, int]]:
    """(reason, how many) of what is open."""
    rows = rig.client.query("SELECT toString(reason), count() FROM quarantine_open GROUP BY ALL ORDER BY ALL")
    return [(reason, count) for reason, count in rows.result_rows]


def history(rig: Rig, *places: Place) -> list[tuple[int, str, int]]:
    """(item, raw code, deliveries) of the marks that messages brought into the history."""
    rows = [
        row
        for place in places
        for row in rig.client.query(
            "SELECT item, toString(raw_code), count() FROM mark_event FINAL"
            " WHERE topic_id = {u:String} AND partition = {p:UInt16} AND offset = {o:UInt64} GROUP BY ALL ORDER BY ALL",
            {"u": rig.topics[place.topic].uuid, "p": place.partition, "o": place.offset},
        ).result_rows
    ]
    return [(item, code, count) for item, code, count in rows]


def accounted(rig: Rig) -> None:
    """Everything holds: the identities, current state, and the account against the tables. What others had sent before
    the rig began is in its ledger and in no table.
    """
    rig.check()
    account = reconcile(rig.client, rig.group)
    ((before,),) = rig.client.query(
        "SELECT sum(messages) FROM ledger FINAL WHERE consumer_group = {g:String} AND epoch = 0", {"g": rig.group}
    ).result_rows
    assert account.gap == before, [one.problems for one in account.partitions if one.problems]

"""Reference data that changes between a crash and the recovery: what stands in the history is not decided again."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from connectors import code_maps
from connectors.encoding import Encoder
from connectors.estate import reference
from connectors.estate.pupils import UPN_SHARED
from connectors.estate.schools import School
from connectors.publisher import Publisher
from rollcall.cli.scenarios.arena import PATIENCE_S, Arena
from rollcall.cli.scenarios.ground import load
from rollcall.cli.scenarios.processes import wait_until
from rollcall.domain.codes import NATIONAL, MapEntry, national_map_entries
from rollcall.errors import StackError

__all__ = ["bring_back", "code_map", "healing", "roster"]

_ROSTER = "reference.roster.v1"
_WHILE_HEALING = ("history.before", "history.written", "quarantine.written", "derive.current_written", "done.written")


def roster(arena: Arena, kills: int) -> None:
    """After a crash with the history written, pupils leave the roster under every reference. Decided anew, their marks
    would be quarantined `unknown_pupil`; they stand in the history, and stay. Afterwards the roster is corrected.
    """
    for _ in range(kills):
        first = arena.next_tick
        arena.die_at("history.written")
        school, leaving = _whose_marks_all_stand(arena, range(first, arena.next_tick))
        _publish_roster(arena, school, leaving)
        with arena.working():
            arena.drain()
        _publish_roster(arena, school, frozenset())
        with arena.working():
            arena.load()
            arena.drain()


def code_map(arena: Arena, kills: int) -> None:
    """After a crash with the history written, the national map calls illness a medical appointment, and is corrected
    once the recovery is over: the history keeps what was known on arrival, the current state follows the map in force.
    """
    entries = national_map_entries()
    wrong = tuple(entry._replace(canonical_code="M") if entry.canonical_code == "I" else entry for entry in entries)
    for _ in range(kills):
        arena.die_at("history.written")
        _publish_map(arena, wrong)
        with arena.working():
            arena.drain()
        _publish_map(arena, entries)
        with arena.working():
            arena.load()
            arena.drain()


def healing(arena: Arena, kills: int) -> None:
    """Pupils who are on no roster yet come onto it: their marks, which wait in quarantine, are sent again by
    themselves, with no command, and workers die while they take them in.
    """
    turned = arena.estate.upheavals
    if turned is None or turned.away_from is None or not turned.away:
        raise StackError("nobody of the estate's pupils is away from the roster")
    portion = -(-len(turned.away) // kills)
    for _ in range(kills):
        with arena.working():
            arena.load(2)
            arena.drain()
        waiting = _waiting(arena, turned.away_from)
        bring_back(arena, portion)
        arena.die_at(arena.random.choice(_WHILE_HEALING))
        with arena.working():
            arena.drain()
        if _waiting(arena, turned.away_from) >= waiting:
            raise StackError("marks that waited for their pupils did not heal")


def bring_back(arena: Arena, count: int | None = None) -> None:
    """Publish the roster with so many of the pupils who were away, or all."""
    turned = arena.estate.upheavals
    if turned is not None and turned.away_from is not None and turned.away:
        arena.estate.upheavals = turned.back(len(turned.away) if count is None else count)
        _publish_roster(arena, turned.away_from, frozenset())


def _waiting(arena: Arena, school: School) -> int:
    """How many marks of a school wait for a pupil whom nobody knows."""
    found = arena.client.query(
        "SELECT count() FROM quarantine_entries"
        " WHERE urn = {urn:UInt32} AND reason = 'unknown_pupil' AND state = 'open'",
        parameters={"urn": school.urn},
    )
    return int(found.result_rows[0][0])


def _whose_marks_all_stand(arena: Arena, ticks: range) -> tuple[School, frozenset[int]]:
    """A school that posts, and those of its pupils all of whose marks of these ticks stand in ranges that are not DONE.

    Pupils who share a UPN are left out: were one of them gone, the other's reference would name one pupil only.
    Raises StackError when there is no such pupil.
    """
    found: dict[int, frozenset[int]] = {}
    for school in arena.estate.schools:
        if school.pulled or not school.posts:
            continue
        sent: Counter[int] = Counter()
        refs: dict[int, set[tuple[str, str]]] = {}
        for tick in ticks:
            for submission in arena.estate.script.submissions[tick]:
                for mark in submission.marks if submission.urn == school.urn else ():
                    sent[mark.pupil] += 1
                    ref = arena.refs(mark.ref) if mark.kind == "upn" else (mark.kind, mark.ref)
                    refs.setdefault(mark.pupil, set()).add((ref[0], ref[1]))
        parameters = {"group": arena.settings.worker.group, "urn": school.urn}
        rows = arena.client.query(load("pending_marks"), parameters=parameters).result_rows
        standing = {(scheme, ref): int(marks) for scheme, ref, marks in rows}
        found[school.index] = frozenset(
            pupil
            for pupil, marks in sent.items()
            if pupil >= 0
            and not int(arena.estate.pupils.flags[pupil]) & UPN_SHARED
            and sum(standing.get(ref, 0) for ref in refs[pupil]) == marks
        )
    index = max(found, key=lambda one: len(found[one]))
    if not found[index]:
        raise StackError("no pupil's marks all stood when the worker died: nothing to change the roster for")
    return arena.estate.schools[index], found[index]


def _publish_roster(arena: Arena, school: School, without: frozenset[int]) -> None:
    estate = arena.estate
    record = reference.roster(estate, school, arena.refs, datetime.now(UTC), without)
    with Publisher(arena.settings.kafka.client_config(), client_id="rollcall-torture") as publisher:
        value = Encoder(arena.settings.registry.url).encode(_ROSTER, record)
        publisher.publish(_ROSTER, str(school.urn).encode(), value).result()
    arena.await_reference()


def _publish_map(arena: Arena, entries: tuple[MapEntry, ...]) -> None:
    """Publish the national map, and wait until current state follows it."""
    loader = next(one for one in arena.commands if one.name == "reference")
    before = loader.said.count('"rederived"')
    code_maps.publish(
        arena.settings, {NATIONAL: entries}, author="torture", reason="changed between crash and recovery"
    )
    arena.await_reference()
    wait_until("current state by the new map", lambda: loader.said.count('"rederived"') > before, PATIENCE_S, [loader])

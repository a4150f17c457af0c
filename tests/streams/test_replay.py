"""What is in quarantine is sent again, byte for byte: only what is named is taken, and each entry counts once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollcall.domain.clock import now
from schemas.registry import Registry, UnknownSchemaId
from sinks import reference
from sinks.quarantine import message as stored_message
from sinks.quarantine_trail import Filter, choose, discard, steps
from streams.assignment import MARK_TOPICS
from streams.replaying import send
from tests.reference.conftest import TAKEN, applied, pupil, school
from tests.streams.messages import REGISTER, UNKNOWN_URN, URN, at, encode, mark, page, record, register
from tests.streams.quarantined import Stands, accounted, history, replay, stands, still_open
from tests.streams.rig import Fate, Place, Rig
from tests.streams.town import PUPILS, UNKNOWN, roster_of

OPEN, TAKEN_IN = "open", "taken"


def roster_with(*refs: str, urn: int = URN, hour: int = 9) -> Any:
    """A later roster, with more pupils."""
    taken_at = TAKEN.replace(hour=hour)
    return applied("roster", roster_of(urn, *(pupil(f"mis:{ref}") for ref in refs), taken_at=taken_at))


def test_only_what_is_named_is_taken_and_it_has_the_version_it_would_have_had(rig: Rig) -> None:
    with rig.worker():
        (place,) = rig.send(register(mark("P0"), mark(UNKNOWN, "L"), mark("P1")))
        rig.settle(place, *rig.send(register(mark("P0", "N"), submitted_at=at(5))))
        assert rig.fates(place) == [Fate("accepted"), Fate("unknown_pupil"), Fate("accepted")]
        reference.apply(rig.client, [roster_with(UNKNOWN)])
        (again,) = replay(rig, reason="unknown_pupil")
        rig.settle(again)
    assert history(rig, again) == [(1, "L", 1)]
    ((version, asserted, later, marks),) = rig.client.query(
        "SELECT e.version, toUnixTimestamp64Milli(e.asserted_at), e.ingested_at > q.ingested_at, r.marks"
        " FROM (SELECT * FROM mark_event WHERE offset = {o:UInt64} AND partition = {p:UInt16}) AS e"
        " CROSS JOIN (SELECT ingested_at FROM quarantine) AS q"
        " CROSS JOIN (SELECT marks FROM register_receipt WHERE offset = {o:UInt64} AND partition = {p:UInt16}) AS r",
        {"o": again.offset, "p": again.partition},
    ).result_rows
    assert version == (asserted << 20) | (place.offset % 2**20)
    assert later
    assert marks == 1
    assert rig.current()[URN, UNKNOWN, "AM"] == ("classroom", "L", "L")
    assert rig.current()[URN, "P0", "AM"] == ("classroom", "N", "N")
    assert stands(rig, place) == {1: Stands(TAKEN_IN, "unknown_pupil", 1)}
    assert still_open(rig) == []
    accounted(rig)


def test_a_replay_is_the_message_byte_for_byte_under_its_key(rig: Rig) -> None:
    (sent,) = rig.send(register(mark(UNKNOWN)))
    with rig.worker():
        rig.settle(sent)
        (again,) = replay(rig)
        rig.settle(again)
    assert again[:2] == sent[:2]
    first, second = (rig.read(place) for place in (sent, again))
    assert (first.key(), first.value()) == (second.key(), second.value())
    ((name, said),) = second.headers()
    assert name == "replay_of"
    told = json.loads(said)
    assert (told["topic_id"], told["partition"], told["offset"]) == (
        rig.topics[REGISTER].uuid, sent.partition, sent.offset,
    )  # fmt: skip
    assert (told["items"], told["by"], told["arrived_ms"]) == ([0], "data manager", first.timestamp()[1])
    assert stored_message(rig.client, REGISTER, again.partition, again.offset).offset == sent.offset


def test_what_is_sent_twice_counts_once_whatever_stands_by_then(rig: Rig) -> None:
    """Killed before the note, the second run sends all again. By then the pupil has a later mark, so that the repeat is
    no repeat of what stands; and both may lie in one batch."""
    with rig.worker():
        first, later = rig.send(register(mark(UNKNOWN), mark("P0")), register(mark(UNKNOWN, "N"), submitted_at=at(5)))
        rig.settle(first, later)
        chosen = choose(rig.client, Filter(), list(MARK_TOPICS)).chosen
        reference.apply(rig.client, [roster_with(UNKNOWN)])
        for run in ("one", "two"):
            send(rig.settings, rig.client, chosen, run=run, by="data manager")
        rig.settle(*rig.replays())
        send(rig.settings, rig.client, chosen, run="three", by="data manager")
        rig.settle(*rig.replays())
    assert len(rig.replays()) == 6
    assert sorted(history(rig, *rig.replays())) == [(0, "/", 1), (0, "N", 1)]
    told = steps(rig.client, rig.topics[REGISTER].uuid, *first[1:])
    assert [one.outcome for one in told if one.what == "judged"] == ["accepted", "unchanged", "unchanged"]
    assert rig.current()[URN, UNKNOWN, "AM"] == ("classroom", "N", "N")
    accounted(rig)


def test_both_replays_of_an_entry_in_one_batch_count_once(rig: Rig) -> None:
    (place,) = rig.send(register(mark(UNKNOWN)))
    with rig.worker():
        rig.settle(place)
    chosen = choose(rig.client, Filter(), list(MARK_TOPICS)).chosen
    reference.apply(rig.client, [roster_with(UNKNOWN)])
    rig.send(register(mark(UNKNOWN, "N"), submitted_at=at(5)))
    for run in ("one", "two"):
        send(rig.settings, rig.client, chosen, run=run, by="data manager")
    with rig.worker(rig.settings_with(linger_quiet_ms=2_000)):
        rig.settle(*rig.replays())
    assert history(rig, *rig.replays()) == [(0, "/", 1)]
    assert rig.current()[URN, UNKNOWN, "AM"] == ("classroom", "N", "N")
    accounted(rig)


def test_what_is_refused_again_is_one_story_until_it_is_taken(rig: Rig) -> None:
    with rig.worker():
        (place,) = rig.send(register(mark("P0"), urn=UNKNOWN_URN))
        rig.settle(place)
        assert still_open(rig) == [("unknown_school", 1)]
        reference.apply(rig.client, [applied("school", school(UNKNOWN_URN))])
        rig.settle(*replay(rig, urn=UNKNOWN_URN))
        assert stands(rig, place) == {0: Stands(OPEN, "unknown_pupil", 1)}
        assert still_open(rig) == [("unknown_pupil", 1)]
        assert choose(rig.client, Filter(reason="unknown_school"), None).entries == 0
        reference.apply(rig.client, [applied("roster", roster_of(UNKNOWN_URN))])
        rig.settle(*replay(rig, reason="unknown_pupil", source="classroom"))
    told = steps(rig.client, rig.topics[REGISTER].uuid, place.partition, place.offset)
    assert [(one.what, one.outcome) for one in told] == [
        ("sent", ""), ("judged", "unknown_pupil"), ("sent", ""), ("judged", "accepted"),
    ]  # fmt: skip
    assert len({one.run for one in told}) == 2
    assert {one.by for one in told} == {"data manager"}
    assert stands(rig, place) == {0: Stands(TAKEN_IN, "unknown_pupil", 2)}
    assert rig.client.query("SELECT count() FROM quarantine_message FINAL").result_rows == [(1,)]
    accounted(rig)


def test_a_clock_that_was_ahead_is_capped_by_the_first_arrival_rule_6(rig: Rig) -> None:
    ahead = now().replace(microsecond=0) + timedelta(hours=2)
    with rig.worker():
        (place,) = rig.send(register(mark(UNKNOWN), submitted_at=ahead))
        rig.settle(place)
        reference.apply(rig.client, [roster_with(UNKNOWN)])
        rig.settle(*replay(rig))
    arrived_ms = rig.read(place).timestamp()[1]
    ((asserted_ms,),) = rig.client.query("SELECT toUnixTimestamp64Milli(asserted_at) FROM mark_event FINAL").result_rows
    assert asserted_ms == arrived_ms + rig.settings.worker.future_bound_seconds * 1000
    assert datetime.fromtimestamp(asserted_ms / 1000, UTC) < ahead


def test_a_deletion_of_a_mark_that_was_refused_too_takes_it_back_again(rig: Rig) -> None:
    with rig.worker():
        said, gone = rig.send(
            page(record("r", UNKNOWN), record("s", "P0")),
            page(record("t", "P1"), deletions=["r"], taken_at=at(5), complete=False),
        )
        rig.settle(said, gone)
        assert still_open(rig) == [("unknown_pupil", 1), ("unknown_record", 1)]
        reference.apply(rig.client, [roster_with(UNKNOWN)])
        rig.settle(*replay(rig))
    assert still_open(rig) == []
    assert stands(rig, gone) == {1: Stands(TAKEN_IN, "unknown_record", 1)}
    assert (URN, UNKNOWN, "AM") not in rig.current()
    assert rig.current()[URN, "P0", "AM"] == ("mis", "/", "/")
    accounted(rig)


def test_a_message_refused_whole_comes_in_whole_and_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry lost a schema and has it again. A mark that the message then brings is an entry of its own."""
    known, real = [False], Registry.get

    def get(self: Registry, schema_id: int) -> Any:
        if not known[0]:
            raise UnknownSchemaId(str(schema_id))
        return real(self, schema_id)

    monkeypatch.setattr(Registry, "get", get)
    with rig.worker():
        (place,) = rig.send(register(mark("P0"), mark(UNKNOWN)))
        rig.settle(place)
        assert rig.fates(place) == [Fate("unknown_schema")]
        chosen = choose(rig.client, Filter(), list(MARK_TOPICS)).chosen
        (refused_again,) = replay(rig)
        rig.settle(refused_again)
        assert stands(rig, place) == {-1: Stands(OPEN, "unknown_schema", 1)}
        known[0] = True
        for run in ("two", "three"):
            send(rig.settings, rig.client, chosen, run=run, by="data manager")
        _, taken, repeated = sorted(rig.replays())
        rig.settle(taken, repeated)
        assert stands(rig, place)[-1].state == TAKEN_IN
        assert rig.fates(taken) == [Fate("accepted"), Fate("unknown_pupil")]
        assert rig.fates(repeated) == [Fate("unchanged"), Fate("unchanged")]
        assert still_open(rig) == [("unknown_pupil", 1)]
        reference.apply(rig.client, [roster_with(UNKNOWN)])
        rig.settle(*replay(rig, reason="unknown_pupil"))
    assert still_open(rig) == []
    assert rig.current()[URN, UNKNOWN, "AM"] == ("classroom", "/", "/")
    accounted(rig)


def header(rig: Rig, place: Place, **facts: Any) -> bytes:
    said = {
        "topic_id": rig.topics[REGISTER].uuid, "partition": place.partition, "offset": place.offset, "items": [1],
        "arrived_ms": 1_757_500_000_000, "run": "test", "by": "data manager",
    }  # fmt: skip
    return json.dumps({**said, **facts}).encode()


def test_a_header_that_cannot_be_believed_refuses_the_message_whole(rig: Rig) -> None:
    sent = register(mark("P0"), mark(UNKNOWN), mark("P1"))
    value = encode(sent, rig.ids)
    with rig.worker():
        (place,) = rig.send(sent)
        rig.settle(place)
        good = header(rig, place)
        wrong = [
            [b""], [b"{"], [b"[1]"], [b"\xff\xfe"], [good, good], [header(rig, place, items=[])],
            [header(rig, place, items=[1, 1])], [header(rig, place, items=[-1, 0])], [header(rig, place, items=[3])],
            [header(rig, place, items=["1"])], [header(rig, place, items=[True])], [header(rig, place, offset=-1)],
            [header(rig, place, partition=70_000)], [header(rig, place, run="")], [header(rig, place, by="x" * 300)],
            [header(rig, place, arrived_ms=2**52)], [header(rig, place, topic_id=None)],
            [header(rig, place, lost="all")], [header(rig, place, lost=[["topic", 1]])],
        ]  # fmt: skip
        places = rig.send_with_headers(REGISTER, str(URN).encode(), value, *wrong)
        rig.settle(*places)
        fates = [rig.fates(one) for one in places]
    assert fates == [[Fate("bad_replay")]] * len(wrong)
    assert rig.client.query("SELECT count() FROM mark_event FINAL").result_rows == [(2,)]
    assert stands(rig, place) == {1: Stands(OPEN, "unknown_pupil", 0)}
    left = choose(rig.client, Filter(), list(MARK_TOPICS))
    assert (left.entries, left.left.bad_replays) == (1, len(wrong))
    assert rig.client.query("SELECT count() FROM quarantine_message FINAL").result_rows == [(1 + len(wrong),)]
    accounted(rig)


def test_a_header_that_cannot_be_believed_is_refused_as_such_in_recovery_too(rig: Rig) -> None:
    sent = register(mark("P0"), mark(UNKNOWN))
    with rig.worker():
        (place,) = rig.send(sent)
        rig.settle(place)
    wrong = [[b"{"], [header(rig, place, items=[3])]]
    places = rig.send_with_headers(REGISTER, str(URN).encode(), encode(sent, rig.ids), *wrong)
    rig.dies_at("quarantine.written")
    with rig.worker():
        rig.settle(*places)
    assert [rig.fates(one) for one in places] == [[Fate("bad_replay")]] * 2
    assert still_open(rig) == [("bad_replay", 2), ("unknown_pupil", 1)]
    assert rig.client.query("SELECT count() FROM quarantine_trail").result_rows == [(0,)]
    accounted(rig)


def test_other_headers_say_nothing(rig: Rig) -> None:
    value = encode(register(mark("P0")), rig.ids)
    with rig.worker():
        places = rig.send_with_headers(REGISTER, str(URN).encode(), value, [b"00-trace"], name="traceparent")
        rig.settle(*places)
    assert rig.fates(places[0]) == [Fate("accepted")]


@pytest.mark.parametrize("point", ["pending.written", "history.written", "quarantine.written", "receipts.written"])
def test_a_worker_killed_among_replays_loses_none_and_counts_none_twice(rig: Rig, point: str) -> None:
    with rig.worker():
        places = rig.send(
            register(mark("P0"), mark(UNKNOWN), mark("NOBODY2"), mark("P1", "X" * 200)),
            page(record("r", UNKNOWN, "L"), deletions=["never seen"], taken_at=at(5), complete=False),
        )
        rig.settle(*places)
    chosen = choose(rig.client, Filter(), list(MARK_TOPICS)).chosen
    reference.apply(rig.client, [roster_with(UNKNOWN)])
    for run in ("one", "two"):
        send(rig.settings, rig.client, chosen, run=run, by="data manager")
    rig.dies_at(point)
    with rig.worker():
        rig.settle(*rig.replays())
    assert {item: one.state for item, one in stands(rig, places[0]).items()} == {1: TAKEN_IN, 2: OPEN, 3: OPEN}
    assert {item: one.state for item, one in stands(rig, places[1]).items()} == {0: TAKEN_IN, 1: OPEN}
    assert sorted(history(rig, *rig.replays())) == [(0, "L", 1), (1, "/", 1)]
    assert still_open(rig) == [("malformed_code", 1), ("unknown_pupil", 1), ("unknown_record", 1)]
    accounted(rig)


def test_outcomes_of_a_replay_that_stood_stand_though_the_roster_changed_before_recovery(rig: Rig) -> None:
    """Refused on replay before the crash: refused it stays, and its story goes on with the next replay."""
    with rig.worker():
        (place,) = rig.send(register(mark(UNKNOWN), mark("NOBODY2")))
        rig.settle(place)
    reference.apply(rig.client, [roster_with("NOBODY2")])
    (again,) = replay(rig)
    rig.dies_at("quarantine.written")
    reference.apply(rig.client, [roster_with(UNKNOWN, "NOBODY2", hour=10)])
    with rig.worker():
        rig.settle(again)
        assert {item: one.state for item, one in stands(rig, place).items()} == {0: OPEN, 1: TAKEN_IN}
        rig.settle(*replay(rig))
    assert {item: one.state for item, one in stands(rig, place).items()} == {0: TAKEN_IN, 1: TAKEN_IN}
    accounted(rig)


def test_what_is_on_its_way_is_not_sent_again_and_what_was_discarded_is_not_chosen(rig: Rig) -> None:
    with rig.worker():
        first, second = rig.send(register(mark(UNKNOWN)), register(mark(PUPILS[0], "X" * 9), submitted_at=at(2)))
        rig.settle(first, second)
    replay(rig, reason="unknown_pupil")
    selection = choose(rig.client, Filter(), list(MARK_TOPICS))
    assert ([one.offset for one in selection.chosen], selection.left.on_their_way) == ([second.offset], 1)
    discard(rig.client, selection.chosen, "run", "data manager", "a comment in the code field; the school knows")
    assert choose(rig.client, Filter(), list(MARK_TOPICS)).entries == 0
    assert stands(rig, second)[0].state == "discarded"
    ((told, why),) = [(s.what, s.why) for s in steps(rig.client, rig.topics[REGISTER].uuid, *second[1:])]
    assert (told, why) == ("discarded", "a comment in the code field; the school knows")

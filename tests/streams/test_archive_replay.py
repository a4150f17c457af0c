"""Sending the archive again: what no table holds comes back as it was, what stands is left alone, all of it counted."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import TopicPartition

from rollcall.errors import UsageError
from rollcall.failpoints import REPLAY_POINTS, FailPoints
from schemas.registry import Registry
from sinks import archive, reference
from sinks.archive_range import Range
from sinks.mark_stories import story
from streams.archive_missing import Selection, choose
from streams.archive_replaying import send
from streams.archiving import Archiver
from streams.erasing_archive import mask_archive
from tests.streams.messages import PAGE, REGISTER, URN, at, mark, page, record, register
from tests.streams.quarantined import accounted, history, replay, still_open
from tests.streams.rig import Died, Place, Rig
from tests.streams.test_archive import place_of
from tests.streams.test_replay import roster_with
from tests.streams.town import UNKNOWN

#: The tables of what was taken in, and of what follows from it.
TAKEN_IN = (
    "mark_event", "mark_assertion", "mark_current", "school_session", "register_receipt", "quarantine",
    "quarantine_message",
)  # fmt: skip


class Mortal(FailPoints):
    """Goes no further than one fail point."""

    def __init__(self, name: str) -> None:
        super().__init__("")
        self._ends = name

    def reach(self, name: str) -> None:
        if name == self._ends:
            raise Died


def missing(rig: Rig, *places: Place) -> Selection:
    """What is missing of these places and of what lies between them, topic by topic."""
    return choose(
        rig.settings, rig.client,
        *(
            Range(topic, partition, min(offsets), max(offsets))
            for topic, partition in {one[:2] for one in places}
            if (offsets := [one.offset for one in places if one[:2] == (topic, partition)])
        ),
    )  # fmt: skip


def sent_again(rig: Rig, *places: Place, **options: Any) -> list[Place]:
    """Send what is missing of them; where it stands."""
    before = set(rig.replays())
    send(rig.settings, rig.client, missing(rig, *places).missing, by="data manager", **options)
    return [one for one in rig.replays() if one not in before]


def archived(rig: Rig) -> None:
    Archiver(rig.settings, rig.client).run(once=True)


def take_from_kafka(rig: Rig, *places: Place) -> None:
    """As its retention does: these, and all before them."""
    ends = {one[:2]: one.offset + 1 for one in sorted(places)}
    for answer in rig.admin.delete_records([TopicPartition(*where, end) for where, end in ends.items()]).values():
        answer.result()


def a_morning(rig: Rig) -> list[Place]:
    """Registers and pages with everything in them: a repeat, a late older mark, a deletion, a stranger, nonsense."""
    return rig.send(
        register(mark("P0"), mark("P1"), mark(UNKNOWN, "L")),
        register(mark("P0"), mark("P1"), submitted_at=at(10)),  # says the same again
        register(mark("P0", "N"), submitted_at=at(5), complete=False),  # late, and superseded by that
        register(mark("P1", "L", 5), submitted_at=at(20)),
        page(record("a", "P2", "I"), record("b", "P3", "/"), taken_at=at(1)),
        page(deletions=["b"], taken_at=at(2), complete=False),
    ) + rig.send_raw((REGISTER, str(URN).encode(), b"\x00not ours"))


def test_what_retention_took_before_it_was_read_comes_back_as_it_would_have_been(rig: Rig) -> None:
    places = a_morning(rig)
    archived(rig)
    waits = missing(rig, *places)
    assert (waits.waiting, waits.marks) == (7, 0), "no worker has read them yet: they come by themselves"
    take_from_kafka(rig, *places)
    (kept,) = rig.send(register(mark("P4"), submitted_at=at(30)))
    with rig.worker(skip_lost=True):
        rig.settle(kept)
        found = missing(rig, *places)
        assert (found.messages, found.whole, found.marks, found.waiting) == (7, 0, 10, 0)
        again = sent_again(rig, *places)
        rig.settle(*again)
        assert sorted(one[:2] for one in again) == sorted(one[:2] for one in places)
        assert {name: code for (_, name, _), (_, _, code) in rig.current().items()} == {
            "P0": "/", "P1": "L", "P2": "I", "P4": "/",
        }  # fmt: skip
        assert still_open(rig) == [("unknown_pupil", 1), ("unknown_schema", 1)]
        of_the_late_one = rig.client.query("SELECT superseded FROM mark_event FINAL WHERE raw_code = 'N'").result_rows
        assert of_the_late_one == [(True,)]
        versions = rig.client.query(
            "SELECT count() FROM mark_event WHERE version = bitShiftLeft(toUnixTimestamp64Milli(asserted_at), 20)"
            " + {o:UInt64} % 1048576 AND raw_code = 'L'", {"o": places[3].offset},
        ).result_rows  # fmt: skip
        assert versions == [(1,)]
        assert missing(rig, *places).marks == 0
        reference.apply(rig.client, [roster_with(UNKNOWN)])
        rig.settle(*replay(rig, reason="unknown_pupil"))
        assert still_open(rig) == [("unknown_schema", 1)]
        assert missing(rig, *places).marks == 0
    accounted(rig)
    told = story(rig.client, _event_of(rig, "P1"))
    assert f"{places[3].partition}/{places[3].offset}/0" in {one.as_json()["first_delivered_at"] for one in told.steps}


def _event_of(rig: Rig, ref: str) -> int:
    ((event_id,),) = rig.client.query(
        "SELECT event_id FROM mark_current FINAL WHERE is_mark"
        " AND pupil_id IN (SELECT pupil_id FROM crosswalk WHERE ref = {r:String})", {"r": ref},
    ).result_rows  # fmt: skip
    return int(event_id)


def test_what_stands_is_not_sent_and_what_is_sent_twice_counts_once(rig: Rig) -> None:
    """A half of the morning is lost from the tables. Sent twice before it is judged, and again after. What had healed
    comes where it had: until then it was refused."""
    with rig.worker():
        places = a_morning(rig)
        rig.settle(*places)
        reference.apply(rig.client, [roster_with(UNKNOWN)])
        healed = replay(rig, reason="unknown_pupil")
        rig.settle(*healed)
        places += healed
    archived(rig)
    before = rig.current()
    stands = missing(rig, *places)
    assert (stands.marks, stands.whole, stands.messages) == (0, 8, 8)
    kept = [one for one in places if one.topic == PAGE]
    for table in TAKEN_IN:
        if table != "school_session":
            where = "source = 'classroom'" if table.startswith("mark_") else f"topic = '{REGISTER}'"
            rig.client.command(f"ALTER TABLE {table} DELETE WHERE {where}", settings={"mutations_sync": 2})
    assert {source for source, *_ in rig.current().values()} == {"mis"}
    found = missing(rig, *places)
    assert {one.topic for one in found.missing} == {REGISTER}
    assert [one.items for one in found.missing if one.first.offset == places[0].offset] == [(0, 1), (2,)]
    assert missing(rig, *kept).marks == 0
    with rig.worker():
        for _ in range(2):
            send(rig.settings, rig.client, found.missing, by="data manager")
        rig.settle(*rig.replays())
        send(rig.settings, rig.client, found.missing, by="data manager")
        rig.settle(*rig.replays())
        assert missing(rig, *places).marks == 0
    assert rig.current() == before
    brought = sorted(one for one in history(rig, *rig.replays()))
    assert brought == [(0, "/", 1), (0, "L", 1), (0, "N", 1), (1, "/", 1), (2, "L", 1)]
    rig.check()


def lose(rig: Rig) -> None:
    """Rows of the history and what follows from them; the receipts and the trail stand."""
    for table in TAKEN_IN[:4]:
        rig.client.command(f"TRUNCATE TABLE {table}")


def test_killed_anywhere_nothing_is_lost_or_counted_twice_nor_when_it_is_lost_once_more(rig: Rig) -> None:
    with rig.worker():
        places = rig.send(*(register(mark("P0"), mark("P1", "L", n), submitted_at=at(n)) for n in range(3)))
        rig.settle(*places)
    archived(rig)
    before = rig.current()
    lose(rig)
    with rig.worker():
        for point in REPLAY_POINTS:
            with pytest.raises(Died):
                sent_again(rig, *places, fail=Mortal(point))
        rig.settle(*sent_again(rig, *places), *rig.replays())
        assert missing(rig, *places).marks == 0
    assert rig.current() == before
    assert sum(deliveries for *_, deliveries in history(rig, *rig.replays())) == 4
    lose(rig)
    with rig.worker():
        rig.settle(*sent_again(rig, *places))
        assert missing(rig, *places).marks == 0
    assert rig.current() == before
    assert sum(deliveries for *_, deliveries in history(rig, *rig.replays())) == 4
    rig.check()


def test_nobody_who_was_erased_comes_back(rig: Rig) -> None:
    with rig.worker():
        withheld, masked = rig.send(register(mark("P0")), register(mark("P1"), mark("P2"), submitted_at=at(1)))
        rig.settle(withheld, masked)
    archived(rig)
    archive.withhold(rig.client, [place_of(rig, withheld)])
    with Registry(rig.settings.registry.url) as registry:
        mask_archive(rig.client, registry, {URN: {("mis", "P1")}})
    for table in TAKEN_IN:
        rig.client.command(f"TRUNCATE TABLE {table}")
    with rig.worker():
        (again,) = sent_again(rig, withheld, masked)
        rig.settle(again)
    assert history(rig, again) == [(1, "/", 1)]
    assert b"P1" not in rig.read(again).value()
    assert {ref for _, ref, _ in rig.current()} == {"P2"}


@pytest.mark.parametrize("wrong", [{"first": 1}, {"partition": 1, "first": 5, "last": 4}])
def test_a_range_that_cannot_be_meant_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Range(REGISTER, **wrong)  # type: ignore[arg-type]

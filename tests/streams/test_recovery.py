"""What a worker that died leaves behind, and the one path that finishes it (design 8).

One kill at every fail point, under load and with the estate's own truth, is `rollcall torture`; these are the cases in
which roster, map, tables or another writer are no longer what they were.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from rollcall.errors import ClickHouseError
from rollcall.failpoints import FAIL_POINTS
from sinks import reference
from sinks.writer import Writer
from tests.reference.conftest import TAKEN, applied, pupil
from tests.streams.messages import URN, at, mark, page, record, register
from tests.streams.rig import PATIENCE_S, Fate, Place, Rig
from tests.streams.town import LEFT, PUPILS, UNKNOWN, national, roster_of

#: Fail points between which the tables differ; the others are in `rollcall torture`.
POINTS = ("history.written", "quarantine.written", "derive.current_written")


def dirty() -> list[dict[str, Any]]:
    """Accepted, unchanged, refused and deleted marks, in one partition."""
    return [
        register(*(mark(ref) for ref in PUPILS[:5]), mark(UNKNOWN), mark(LEFT)),
        register(*(mark(ref) for ref in PUPILS[:5]), mark("P5", "X" * 200), submitted_at=at(5)),
        register(mark("P0"), mark("P0", "N"), mark("P1", "N"), mark("P2", "8"), submitted_at=at(9), group_id="7B"),
        page(record("a", "P0", "L"), record("b", "P1", "/"), record("a2", "P0", "/"), taken_at=at(20)),
        page(deletions=["a", "b", "never seen"], taken_at=at(30), complete=False),
    ]


def outcomes(rig: Rig, places: list[Place]) -> list[list[str]]:
    return [[fate.outcome for fate in rig.fates(place)] for place in places]


def history(rig: Rig) -> Any:
    return rig.client.query(
        "SELECT pupil_id, raw_code, canonical_code, exceptions FROM mark_event ORDER BY ALL"
    ).result_rows


EXPECTED = [
    ["accepted"] * 5 + ["unknown_pupil", "accepted"],
    ["unchanged"] * 5 + ["malformed_code"],
    ["contradicts_itself", "contradicts_itself", "accepted", "accepted"],
    ["accepted"] * 3,
    ["accepted", "accepted", "unknown_record"],
]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_worker_loses_nothing_and_repeats_nothing(rig: Rig, point: str) -> None:
    places = rig.send(*dirty())
    rig.killed_at(point)
    with rig.worker():
        rig.settle(*places)
    assert outcomes(rig, places) == EXPECTED
    assert rig.current()[URN, "P0", "AM"] == ("mis", "/", "/")
    assert rig.current()[URN, "P1", "AM"] == ("classroom", "N", "N")
    rig.check()


def test_outcomes_that_stood_stand_though_roster_and_map_have_changed(rig: Rig) -> None:
    """Killed with the history written: who has left since keeps the marks; who has come since does not gain those that
    stand refused, but gains those that had no outcome yet."""
    places = rig.send(*dirty())
    rig.dies_at("quarantine.written")
    before = history(rig)
    roster = roster_of(URN, pupil(f"mis:{UNKNOWN}"), taken_at=TAKEN.replace(hour=9))
    roster["pupils"] = [one for one in roster["pupils"] if one["refs"][0]["ref"] not in ("P3", LEFT)]
    reference.apply(rig.client, [applied("roster", roster), applied("code-map", national(2, ("8", "I")))])
    with rig.worker():
        rig.settle(*places)
    assert outcomes(rig, places) == EXPECTED
    after = history(rig)
    assert after == before
    assert rig.current()[URN, "P2", "AM"] == ("classroom", "8", "I")
    rig.check()


def test_what_had_no_outcome_is_judged_by_the_roster_in_force_then(rig: Rig) -> None:
    places = rig.send(*dirty())
    rig.dies_at("history.before")
    reference.apply(
        rig.client, [applied("roster", roster_of(URN, pupil(f"mis:{UNKNOWN}"), taken_at=TAKEN.replace(hour=9)))]
    )
    with rig.worker():
        rig.settle(*places)
    assert outcomes(rig, places)[0] == ["accepted"] * 7
    assert outcomes(rig, places)[1:] == EXPECTED[1:]
    rig.check()


def test_a_recovery_that_failed_half_way_is_tried_again_with_another_roster(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first recovery writes the history and fails; by the second a pupil is known who was not: other rows, which
    no token of the first may swallow."""
    places = rig.send(*dirty())
    rig.dies_at("history.before")
    real = Writer.insert

    def insert(self: Writer, table: str, rows: Any, token: str) -> None:
        if table == "quarantine_message":
            raise ClickHouseError("quarantine_message: disk full")
        real(self, table, rows, token)

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "insert", insert)
        with pytest.raises(ClickHouseError, match="disk full"), rig.worker():
            rig.await_end()
    assert rig.client.query("SELECT count() FROM quarantine").result_rows == [(0,)]
    reference.apply(
        rig.client, [applied("roster", roster_of(URN, pupil(f"mis:{UNKNOWN}"), taken_at=TAKEN.replace(hour=9)))]
    )
    with rig.worker():
        rig.settle(*places)
    assert outcomes(rig, places)[0] == ["accepted"] * 7
    assert outcomes(rig, places)[1:] == EXPECTED[1:]
    rig.check()


def test_a_quarantine_that_cannot_be_written_stops_the_worker(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is skipped to make progress."""
    real = Writer.insert

    def insert(self: Writer, table: str, rows: Any, token: str) -> None:
        if table == "quarantine":
            raise ClickHouseError("quarantine: refused for good")
        real(self, table, rows, token)

    (place,) = rig.send(register(mark("P0"), mark(UNKNOWN)))
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "insert", insert)
        with pytest.raises(ClickHouseError, match="refused for good"), rig.worker():
            rig.await_end()
    assert rig.positions().get((place.topic, place.partition), 0) <= place.offset
    with rig.worker():
        rig.settle(place)
    assert rig.fates(place) == [Fate("accepted"), Fate("unknown_pupil")]
    rig.check()


def test_a_repeat_delivered_before_a_crash_and_after_it_is_one_mark(rig: Rig) -> None:
    """The memory is loaded without what is PENDING: else the replay of a mark would be taken for its own repeat."""
    first, repeat = register(mark("P0")), register(mark("P0"), submitted_at=at(10))
    places = rig.send(first)
    rig.dies_at("history.written")
    places += rig.send(repeat, register(mark("P0", "N"), submitted_at=at(5)))
    with rig.worker():
        rig.settle(*places)
    assert outcomes(rig, places) == [["accepted"], ["unchanged"], ["superseded"]]
    assert rig.current()[URN, "P0", "AM"] == ("classroom", "/", "/")
    rig.check()


def test_a_repeat_is_known_as_one_though_a_merge_took_what_stood_before_the_crash(rig: Rig) -> None:
    """The batch that died has written an amendment over the mark that its repeat is compared with."""
    with rig.worker():
        rig.done(register(mark("P0", "N"), mark("P1")))
    places = rig.send(
        register(mark("P0", "N"), mark("P1"), submitted_at=at(10)),
        register(mark("P0", "M"), submitted_at=at(20), complete=False),
    )
    rig.dies_at("receipts.written")
    rig.client.command("OPTIMIZE TABLE mark_assertion FINAL")
    with rig.worker():
        rig.settle(*places)
    assert outcomes(rig, places) == [["unchanged", "unchanged"], ["accepted"]]
    rig.check()


def test_a_batch_that_overtook_one_which_failed_waits_for_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches are written at once; the second stands and the first does not. Nothing is derived of what is said
    second before what was said first, and after a restart both are there, in their order."""
    real, held, overtaken = Writer.insert, threading.Event(), threading.Event()

    def insert(self: Writer, table: str, rows: Any, token: str) -> None:
        if table == "mark_event" and not held.is_set():
            held.set()
            assert overtaken.wait(PATIENCE_S)
            time.sleep(0.5)  # so long the second has to be derived, if it were not kept waiting
            raise ClickHouseError("mark_event: disk full")
        real(self, table, rows, token)
        if table == "register_receipt":
            overtaken.set()

    places = rig.send(register(mark("P0"), mark("P1")))

    def until_it_fails() -> None:
        with rig.worker():
            assert held.wait(PATIENCE_S)
            places.extend(rig.send(register(mark("P0", "N"), mark("P1"), mark("P2"), submitted_at=at(5))))
            rig.await_end()

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "insert", insert)
        with pytest.raises(ClickHouseError, match="disk full"):
            until_it_fails()
    assert {row[1] for row in history(rig)} == {"N", "/"}
    assert len(history(rig)) == 2  # of the second alone, which repeats one of the first's
    assert rig.positions().get(places[0][:2], 0) <= places[0].offset
    with rig.worker():
        rig.settle(*places)
    assert outcomes(rig, places) == [["accepted", "accepted"], ["accepted", "unchanged", "accepted"]]
    assert rig.current()[URN, "P0", "AM"] == ("classroom", "N", "N")
    rig.check()


def test_what_was_said_again_is_remembered_across_a_restart(rig: Rig) -> None:
    """The counter-example of design 6, with the worker restarted in between."""
    with rig.worker():
        rig.done(page(record("r", "P0", "/"), taken_at=at(60)))
        rig.done(page(record("r", "P0", "/"), taken_at=at(120)))
    with rig.worker():
        fates = rig.done(page(record("r", "P0", "N"), taken_at=at(90)))
    assert fates == [[Fate("superseded")]]
    assert rig.current()[URN, "P0", "AM"] == ("mis", "/", "/")
    rig.check()


def test_the_fail_points_used_here_exist() -> None:
    assert set(POINTS) <= set(FAIL_POINTS)

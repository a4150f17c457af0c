"""An unchanged repeat is not written, and makes who says it the latest all the same (docs/design.md)."""

from __future__ import annotations

from typing import Any

import pytest

from rollcall.domain.lesson_rules import LessonRule
from rollcall.domain.pupil_aliases import merge
from rollcall.domain.source_rules import BUILT_IN
from sinks.source_rules import what_would_change
from sinks.verify import verify
from tests.streams.messages import DAY, Here, at, mark, page, record, register
from tests.streams.rig import Rig
from tests.streams.test_aliases import published, pupil
from tests.streams.test_conflicts import losers
from tests.streams.test_lesson_rules import published as rule_of

#: What one says, says again, and another says between: source, code, minute.
FIRST, AGAIN, BETWEEN = ("classroom", "/", 0), ("classroom", "/", 60), ("second-room", "L", 30)


def said(source: str, code: str, minute: int, **facts: Any) -> dict[str, Any]:
    return register(mark("P0", code), mark("P1", code), source=source, submitted_at=at(minute), **facts)


def counting(rig: Rig) -> tuple[str, str, str]:
    """Source, raw and canonical code of P0's mark that counts."""
    return rig.current()[Here.urn, "P0", "AM"]


def kept(rig: Rig) -> int:
    (found,) = rig.here("SELECT count() FROM mark_reassertion FINAL WHERE urn =")
    return int(found[0])


@pytest.mark.parametrize(
    "order",
    [(FIRST, AGAIN, BETWEEN), (FIRST, BETWEEN, AGAIN), (BETWEEN, FIRST, AGAIN)],
    ids=["late", "before", "first"],
)
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "batches"])
def test_who_said_it_last_counts_though_it_was_not_written(working: Rig, order: Any, together: bool) -> None:
    messages = [said(*one) for one in order]
    for batch in [messages] if together else [[one] for one in messages]:
        working.done(*batch)
    assert counting(working) == ("classroom", "/", "/")
    assert {code: marks for code, marks in working.counts(Here.urn).items() if marks} == {("AM", "/"): 2}
    assert losers(working) == {("/", "L", "second-room", "latest")}
    assert kept(working) == 2
    assert verify(working.client).equal


def test_a_repeat_that_decides_nothing_is_kept_nowhere(working: Rig) -> None:
    """An hour's pull of what did not change costs no row: of one who speaks alone, and of one who is the latest."""
    fates = working.done(said("classroom", "/", 0), said("classroom", "/", 60), said("second-room", "L", 90))
    fates += working.done(said("second-room", "L", 120), said("second-room", "L", 180))
    assert [one.outcome for one, _ in fates] == ["accepted", "unchanged", "accepted", "unchanged", "unchanged"]
    assert (kept(working), counting(working)) == (0, ("second-room", "L", "L"))


def test_two_who_say_it_again_in_turn(working: Rig) -> None:
    for minute, (source, code) in enumerate([("classroom", "/"), ("second-room", "L")] * 4):
        working.done(said(source, code, minute * 30))
        assert counting(working) == (source, code, code)
    assert kept(working) == 2 * 6
    assert verify(working.client).equal


def test_what_is_said_otherwise_later_is_later(working: Rig) -> None:
    working.done(
        *(said(*one) for one in (FIRST, BETWEEN, AGAIN)), said("second-room", "N", 90), said("classroom", "L", 70)
    )
    assert counting(working) == ("classroom", "L", "L")
    working.done(page(record("r", "P0", "I"), taken_at=at(10)))
    assert counting(working) == ("mis", "I", "I")
    working.done(page(record("r", "P0", "-"), taken_at=at(20)))
    assert counting(working) == ("classroom", "L", "L")
    assert verify(working.client).equal


@pytest.mark.parametrize("failpoint", ["history.written", "receipts.written", "derive.current_written"])
@pytest.mark.parametrize("last", [AGAIN, BETWEEN], ids=["again", "between"])
def test_a_worker_that_died_over_it(rig: Rig, failpoint: str, last: Any) -> None:
    with rig.worker():
        rig.done(said(*FIRST), said(*(BETWEEN if last is AGAIN else AGAIN)))
    rig.send(said(*last))
    rig.dies_at(failpoint)
    with rig.worker():
        rig.done(register(mark("P5", "/")))
    assert counting(rig) == ("classroom", "/", "/")
    rig.check()


def test_two_numbers_of_one_child(rig: Rig) -> None:
    """Nobody else says anything of either number: that they are one child is what makes a repeat decide."""
    published(rig, pupil("P1"), merge(pupil("P0")))
    with rig.worker():
        rig.done(register(mark("P0", "/"), group_id="7A"))
        rig.done(register(mark("P1", "L"), group_id="7B", submitted_at=at(30)))
        assert counting(rig)[1] == "L"
        rig.done(register(mark("P0", "/"), group_id="7A", submitted_at=at(60)))
    assert counting(rig)[1] == "/"
    rig.check()


@pytest.mark.parametrize("order", [(FIRST, AGAIN, BETWEEN), (FIRST, BETWEEN, AGAIN)], ids=["late", "before"])
def test_of_a_lesson_too_by_the_schools_rule_and_in_the_view(rig: Rig, order: Any) -> None:
    """Rule 7. Other lessons of the session are others' business: each is said once, and decides nothing here."""
    rule_of(rig, LessonRule("registration", am=("Reg",), pm=("P4",)))
    with rig.worker():
        for one in order:
            rig.done(said(*one, period="Reg"), said("classroom", "N", one[2], period="P1", group_id="7C"))
    in_view = rig.here("SELECT period, source, canonical_code FROM period_marks WHERE pupil_id != 0 AND urn =")
    assert set(in_view) == {("Reg", "classroom", "/"), ("P1", "classroom", "N")}
    assert counting(rig) == ("classroom", "/", "/")
    assert kept(rig) == 2
    rig.check()


@pytest.mark.parametrize("again", [0, 1])
def test_of_two_records_of_one_page_only_that_is_later_which_was_said_again(working: Rig, again: int) -> None:
    """Of one pupil, of one version: what is said again is named by its content too. In a lesson as in a session."""
    both = [record("r0", "P0", "L"), record("r1", "P0", "/")]
    for period in ("", "P1"):
        of = {"period": period or None}
        working.done(page(*({**one, **of} for one in both), taken_at=at(0)))
        working.done(page({**record("r2", "P0", "I"), **of}, taken_at=at(30), source="second-mis"))
        working.done(page({**both[again], **of}, taken_at=at(60), complete=False))
    for view in ("marks_current", "period_marks"):
        found = working.here(f"SELECT canonical_code FROM {view} WHERE pupil_id = {pupil('P0')} AND urn =")
        assert found == [(both[again]["code"],)], view
    assert verify(working.client).equal


def test_a_dry_run_of_the_rules_in_force_changes_nothing(working: Rig) -> None:
    working.done(*(said(*one) for one in (FIRST, BETWEEN, AGAIN)))
    assert what_would_change(working.client, BUILT_IN, at(600), DAY) == []

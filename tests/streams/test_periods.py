"""Marks of lessons (rule 7): a current table of their own, the order of sources as in sessions, and no figure moved."""

from __future__ import annotations

import pytest

from sinks import reference
from tests.reference.conftest import applied, school
from tests.streams.messages import DAY, Here, at, evidence, mark, page, record, register
from tests.streams.rig import Fate, Rig
from tests.streams.town import pupil_id


def lessons(rig: Rig) -> dict[tuple[str, int], tuple[str, str, int, bool]]:
    """(lesson, pupil) -> (source, code, sources, disagree) of the marks of lessons that count."""
    rows = rig.here("SELECT period, pupil_id, source, canonical_code, sources, disagree FROM period_marks WHERE urn =")
    return {(period, pupil): tuple(said) for period, pupil, *said in rows}


def test_of_a_lesson_a_definite_code_counts_then_the_mis_then_the_latest(working: Rig) -> None:
    def lesson(code: str, *, ref: str = "P0", **facts: object) -> dict[str, object]:
        return register(mark(ref, code), period="P2", **facts)

    records = [("a", "P0", "O", "P2"), ("b", "P1", "N", "P2"), ("c", "P0", "/", "P3")]
    working.done(
        lesson("/"),
        lesson("L", submitted_at=at(5)),
        lesson("I", source="second-room"),
        lesson("/", ref="P1", source="second-room"),
        lesson("QQ", ref="P2"),
        page(
            *(record(name, ref, code, period=lesson) for name, ref, code, lesson in records), taken_at=at(-30),
        ),
    )  # fmt: skip
    ours = {ref: pupil_id(ref, Here.urn) for ref in ("P0", "P1", "P2")}
    assert lessons(working) == {
        ("P2", ours["P0"]): ("mis", "O", 3, True),
        ("P2", ours["P1"]): ("second-room", "/", 2, True),
        ("P2", ours["P2"]): ("classroom", "", 1, False),
        ("P3", ours["P0"]): ("mis", "/", 1, False),
    }
    working.done(page(deletions=["a"], taken_at=at(30), complete=False), lesson("-", ref="P2", submitted_at=at(40)))
    assert lessons(working) == {
        ("P2", ours["P0"]): ("classroom", "L", 2, True),
        ("P2", ours["P1"]): ("second-room", "/", 2, True),
        ("P3", ours["P0"]): ("mis", "/", 1, False),
    }


def test_a_mark_of_a_lesson_moves_no_figure_and_a_sign_in_is_no_mark_of_one(working: Rig) -> None:
    working.done(register(mark("P0", "/")))
    before = working.counts(Here.urn), working.current()
    told = register(mark("P0", "O"), period="P1", submitted_at=at(60))
    assert working.done(told, evidence("P1", "U", at(70), period="P1"))[0] == [Fate("accepted")]
    assert (working.counts(Here.urn), working.current()) == before
    assert lessons(working) == {("P1", pupil_id("P0", Here.urn)): ("classroom", "O", 1, False)}
    assert working.here("SELECT count() FROM mark_assertion WHERE source_kind != 'kiosk' AND urn =") == [(1,)]


def test_what_is_said_of_a_lesson_again_is_unchanged_and_one_session_may_have_several(working: Rig) -> None:
    told = [register(mark("P0", code), period=name) for name, code in (("P1", "/"), ("P2", "L"), ("P3", "/"))]
    assert working.done(*told) == [[Fate("accepted")]] * 3
    again = [{**one, "submitted_at": at(20)} for one in told]
    assert working.done(*again) == [[Fate("unchanged")]] * 3
    assert len(lessons(working)) == 3


def test_lessons_of_a_day_on_which_the_school_was_not_open_are_left_out_rule_12(working: Rig) -> None:
    working.done(register(mark("P0"), period="P1"), register(mark("P0"), period="P1", session_date=DAY.replace(day=11)))
    closed = school(Here.urn, closed_on=DAY, taken_at=at(0))
    reference.apply(working.client, [applied("school", closed)], {})
    assert working.here("SELECT session_date FROM period_marks WHERE urn =") == [(DAY,)]
    reference.apply(working.client, [applied("school", school(Here.urn, taken_at=at(1)))], {})
    assert len(working.here("SELECT session_date FROM period_marks WHERE urn =")) == 2


@pytest.mark.parametrize("failpoint", ["history.written", "recovery.written"])
def test_lessons_that_the_view_missed_are_written_again_by_recovery(rig: Rig, failpoint: str) -> None:
    sent = rig.send(register(mark("P0", "O"), mark("P1"), period="P2"), register(mark("P0")))
    rig.dies_at("history.written")
    rig.client.command("TRUNCATE TABLE period_current")  # a view is not atomic with its source
    if failpoint != "history.written":
        rig.dies_at(failpoint)
    with rig.worker():
        rig.settle(*sent)
    assert rig.client.query("SELECT raw_code FROM period_marks ORDER BY raw_code").result_rows == [("/",), ("O",)]
    rig.check()

"""Two readings of a school compared: every kind of difference by its name and place, and none where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain.comparison import DIFFERENCES, Cell, Comparison, Mark, Slot, compare

MONDAY, TUESDAY = date(2025, 9, 8), date(2025, 9, 9)
A = Mark("A", 1, Slot(MONDAY, "AM"), "/")
B = Mark("B", 2, Slot(MONDAY, "AM"), "N")
LESSON = Mark("L", 1, Slot(MONDAY, "AM", "P1"), "/")


def said(found: Comparison) -> list[tuple[str, str]]:
    return [(one.kind, one.mark.record) for one in found.findings]


def test_equal_readings_have_no_findings() -> None:
    found = compare([A, B, LESSON], [LESSON, B, A])
    assert (found.theirs, found.ours, found.equal, found.findings) == (3, 3, 3, [])
    assert found.cells[Cell(MONDAY, "AM", "", "/")].theirs == 1


@pytest.mark.parametrize(
    ("theirs", "ours", "kinds"),
    [
        ([A, B], [B], [("missing", "A")]),
        ([B], [A, B], [("kept", "A")]),
        ([A], [A._replace(code="N")], [("code", "A")]),
        ([A], [A._replace(slot=Slot(TUESDAY, "AM"))], [("moved", "A")]),
        ([A], [A._replace(slot=Slot(MONDAY, "PM"))], [("moved", "A")]),
        ([A], [A._replace(pupil=2)], [("moved", "A")]),
        ([A], [A._replace(slot=Slot(MONDAY, "AM", "P1"))], [("moved", "A")]),
        ([A], [A, A._replace(record="C")], [("repeated", "C")]),
        ([A], [A, A._replace(slot=Slot(TUESDAY, "AM"))], [("kept", "A")]),
        ([A._replace(record="C")], [A], [("kept", "A"), ("missing", "C")]),
        ([LESSON], [], [("missing", "L")]),
        ([A, A._replace(record="C")], [A, A._replace(record="C")], []),
    ],
)
def test_each_kind(theirs: list[Mark], ours: list[Mark], kinds: list[tuple[str, str]]) -> None:
    assert said(compare(theirs, ours)) == kinds


def test_a_difference_is_listed_where_the_source_has_the_mark() -> None:
    found = compare([A], [A._replace(slot=Slot(TUESDAY, "PM"), code="N")])
    shown = {cell: counts for cell, counts in found.cells.items() if counts.worth_showing}
    assert list(shown) == [Cell(MONDAY, "AM", "", "/")]
    assert found.cells[Cell(TUESDAY, "PM", "", "N")].ours == 1


def test_a_mark_in_quarantine_is_not_lost() -> None:
    stranger = A._replace(pupil=("wonde", "nobody"))
    found = compare([stranger], [], {stranger: "unknown_pupil"})
    counts = found.cells[Cell(MONDAY, "AM", "", "/")]
    assert (said(found), found.differences) == ([("quarantined", "A")], [])
    assert (counts.quarantined, dict(counts.reasons), counts.difference) == (1, {"unknown_pupil": 1}, 0)


def test_another_code_in_quarantine_is_no_excuse() -> None:
    assert said(compare([A], [], {A._replace(code="N"): "unknown_pupil"})) == [("missing", "A")]


def test_what_the_next_pull_brings_is_no_difference() -> None:
    found = compare([A._replace(code="L")], [A, B], None, {"A", "B"})
    assert said(found) == [("not_pulled_yet", "A"), ("not_pulled_yet", "B")]
    assert found.differences == []


@pytest.mark.parametrize("nothing", ["", " ", "-"])
def test_no_mark_on_one_side_is_none(nothing: str) -> None:
    assert compare([A._replace(code=nothing)], []).findings == []
    assert compare([], [A._replace(code=nothing)]).findings == []
    assert said(compare([A._replace(code=nothing)], [A])) == [("code", "A")]


_MARKS = st.builds(
    Mark,
    record=st.sampled_from("ABCDEF"),
    pupil=st.integers(1, 3),
    slot=st.builds(
        Slot, st.sampled_from([MONDAY, TUESDAY]), st.sampled_from(["AM", "PM"]), st.sampled_from(["", "P1"])
    ),
    code=st.sampled_from(["/", "N", "-"]),
)
_READINGS = st.lists(_MARKS, max_size=8, unique_by=lambda mark: (mark.record, mark.pupil, mark.slot))


def _key(marks: Iterable[Mark]) -> set[Mark]:
    return {mark for mark in marks if mark.code != "-"}


@given(_READINGS, _READINGS, st.sets(st.sampled_from("ABC")), st.data())
def test_every_mark_ends_in_exactly_one_place(theirs: list[Mark], ours: list[Mark], later: set[str], data: Any) -> None:
    refused = dict.fromkeys(data.draw(st.lists(st.sampled_from(theirs), max_size=3)) if theirs else (), "unknown_pupil")
    found = compare(theirs, ours, refused, later)
    assert found.theirs == found.equal + sum(one.theirs is not None for one in found.findings)
    assert found.ours == found.equal + sum(one.ours is not None for one in found.findings)
    assert found.theirs == sum(counts.theirs for counts in found.cells.values())
    assert sum(counts.difference for counts in found.cells.values()) == len(found.differences)
    assert sum(found.count(kind) for kind in DIFFERENCES) == len(found.differences)
    assert all(one.mark.record not in later for one in found.differences)
    assert all(one.theirs not in refused for one in found.differences)


@given(_READINGS, _READINGS)
def test_nothing_differs_exactly_when_the_marks_are_the_same(theirs: list[Mark], ours: list[Mark]) -> None:
    assert (compare(theirs, ours).findings == []) == (_key(theirs) == _key(ours))
    assert compare(theirs, reversed(theirs)).findings == []

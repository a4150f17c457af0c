"""What makes a code map one that may be published, and what two maps differ in."""

from __future__ import annotations

from datetime import date

import pytest

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.code_maps import Span, changed_spans, check, differences, on
from rollcall.domain.codes import MapEntry, national_map_entries

LAST, FIRST = date(2024, 8, 18), date(2024, 8, 19)


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([], "maps no code at all"),
        ([MapEntry("9", "YY")], "'9': 'YY' is no national code"),
        ([MapEntry("9", "Y", FIRST, LAST)], "ends on 2024-08-18, before it begins"),
        ([MapEntry("9", "Y"), MapEntry("9", "Y6", FIRST)], "'9' has two meanings on 2024-08-19, Y and Y6"),
        ([MapEntry("9", "Y6", FIRST), MapEntry("9", "Y", None, FIRST)], "two meanings on 2024-08-19"),
    ],
)
def test_a_map_that_must_not_be_is_refused_with_the_code_named(entries: list[MapEntry], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(entries)


def test_a_raw_code_that_may_be_a_comment_is_refused_and_not_said() -> None:
    with pytest.raises(ValueError, match="at most 8 characters") as refused:
        check([MapEntry("was ill again", "I")])
    assert "ill" not in str(refused.value)


def test_the_national_map_and_one_that_goes_on_the_day_after_another_ended_may_be_published() -> None:
    check(national_map_entries())
    check([*national_map_entries(), MapEntry("J", "J1", FIRST)])
    assert [
        entry.canonical_code for entry in on([MapEntry("J", "J", None, LAST), MapEntry("J", "J1", FIRST)], LAST)
    ] == ["J"]


def test_entries_are_told_apart_by_code_and_first_day() -> None:
    before = [MapEntry("9", "Y"), MapEntry("8", "I"), MapEntry("7", "L")]
    after = [MapEntry("9", "Y", None, LAST), MapEntry("9", "Y6", FIRST), MapEntry("8", "I")]
    found = differences(before, after)
    assert found.added == (MapEntry("9", "Y6", FIRST),)
    assert found.removed == (MapEntry("7", "L"),)
    assert found.changed == ((MapEntry("9", "Y"), MapEntry("9", "Y", None, LAST)),)
    assert differences(after, after) == ((), (), ())


def test_a_code_changes_its_meaning_on_the_dates_between_and_on_no_other() -> None:
    before = [MapEntry("9", "Y"), MapEntry("8", "I", FIRST)]
    after = [MapEntry("9", "Y", None, LAST), MapEntry("9", "Y6", FIRST, FIRST), MapEntry("8", "I")]
    assert changed_spans(before, after) == [
        Span("8", OPEN_START, LAST),
        Span("9", FIRST, FIRST),
        Span("9", date(2024, 8, 20), OPEN_END),
    ]
    assert changed_spans(after, after) == []
    assert changed_spans([MapEntry("9", "Y")], [MapEntry("9", "Y", None, LAST), MapEntry("9", "Y", FIRST)]) == []

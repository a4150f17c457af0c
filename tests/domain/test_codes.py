"""The code table against the facts of the 2024 regulations and the Department's files."""

from __future__ import annotations

from datetime import date

import pytest

from rollcall.domain import codes


def test_there_are_39_codes_and_none_twice() -> None:
    assert len(codes.CODES) == 39
    assert len(codes.BY_CODE) == 39


@pytest.mark.parametrize(
    ("members", "category"),
    [
        ("/ \\ L", "attending"),
        ("B K P V W J", "approved_educational_activity"),
        ("C C1 C2 E F H I J1 M R S T", "authorised_absence"),
        ("G N O U", "unauthorised_absence"),
        ("D Q X Y Y1 Y2 Y3 Y4 Y5 Y6 Y7", "not_possible"),
        ("Z #", "administrative"),
        ("-", "missing"),
    ],
)
def test_categories(members: str, category: str) -> None:
    assert {code.code for code in codes.CODES if code.category == category} == set(members.split())


def test_possible_is_attendance_plus_absence() -> None:
    for code in codes.CODES:
        assert code.in_possible_sessions == (code.counts_as_attendance or code.absence_type != ""), code.code
        assert not (code.counts_as_attendance and code.absence_type), code.code


def test_interview_is_approved_activity_until_the_2024_regulations_and_unknown_after_rule_4() -> None:
    (entry,) = [one for one in codes.national_map_entries() if one.raw_code == "J"]
    assert entry.canonical_code == "J"
    assert entry.valid_to == date(2024, 8, 18)


@pytest.mark.parametrize("code", ["H", "F", "Y"])
def test_withdrawn_codes_stay_mapped_and_are_out_of_date_rule_4(code: str) -> None:
    (entry,) = [one for one in codes.national_map_entries() if one.raw_code == code]
    assert (entry.canonical_code, entry.valid_from, entry.valid_to) == (code, None, None)
    assert codes.out_of_date(code, date(2025, 9, 10))
    assert not codes.out_of_date(code, date(2024, 8, 18))


@pytest.mark.parametrize("code", ["K", "C1", "C2", "J1", "Q", "Y1", "Y7"])
def test_codes_of_2024_begin_on_19_august(code: str) -> None:
    assert codes.out_of_date(code, date(2024, 8, 18))
    assert not codes.out_of_date(code, date(2024, 8, 19))


def test_an_unknown_code_is_never_out_of_date() -> None:
    assert not codes.out_of_date("", date(2025, 9, 10))


def test_blank_and_dash_are_no_mark_rule_3() -> None:
    no_mark = {one.raw_code for one in codes.national_map_entries() if one.canonical_code == codes.NO_MARK}
    assert no_mark == {"", "-"}


def test_every_other_national_code_maps_to_itself() -> None:
    for entry in codes.national_map_entries():
        assert entry.canonical_code == (entry.raw_code or codes.NO_MARK)


@pytest.mark.parametrize(
    ("raw_code", "refused"),
    [
        ("/", False),
        ("", False),
        ("ABCDEFGH", False),
        ("ABCDEFGHI", True),
        ("N\n", True),
        ("\x85", True),
        ("N" * 200, True),
    ],
)
def test_a_code_that_may_be_a_comment_is_malformed(raw_code: str, refused: bool) -> None:
    assert codes.malformed(raw_code) is refused

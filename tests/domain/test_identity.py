"""Pupils' numbers and academic years."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain.identity import academic_year, academic_year_days, new_pupil_id


def test_a_valid_upn_is_one_pupil_at_every_school() -> None:
    assert new_pupil_id(100001, "upn", "k1:ab") == new_pupil_id(100002, "upn", "k1:ab")


@pytest.mark.parametrize("scheme", ["mis", "wonde", "upn-invalid"])
def test_any_other_reference_means_something_in_its_own_school_only(scheme: str) -> None:
    assert new_pupil_id(100001, scheme, "7") != new_pupil_id(100002, scheme, "7")


def test_a_shared_upn_is_nobody_elsewhere_rule_5() -> None:
    assert new_pupil_id(100001, "upn", "k1:ab", shared=True) != new_pupil_id(100002, "upn", "k1:ab")


@given(st.integers(1, 999_999), st.text(max_size=8), st.text(max_size=40))
def test_a_pupil_id_is_a_positive_64_bit_number(urn: int, scheme: str, ref: str) -> None:
    assert 0 < new_pupil_id(urn, scheme, ref) < 1 << 64


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(2025, 9, 1), "2025/26"),
        (date(2025, 8, 31), "2024/25"),
        (date(2000, 1, 1), "1999/00"),
        (date(2026, 7, 20), "2025/26"),
    ],
)
def test_academic_year(day: date, year: str) -> None:
    assert academic_year(day) == year


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_every_day_lies_in_its_year(day: date) -> None:
    first, last = academic_year_days(academic_year(day))
    assert first <= day <= last
    assert academic_year(first) == academic_year(last)
    assert academic_year(last + timedelta(days=1)) != academic_year(day)


@pytest.mark.parametrize("text", ["2025", "2025/27", "25/26", "2025-26", ""])
def test_what_is_no_academic_year_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="academic year"):
        academic_year_days(text)

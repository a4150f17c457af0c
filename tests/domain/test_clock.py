"""School time around both clock changes (rule 8)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain import clock


@pytest.mark.parametrize(
    ("day", "utc_hour"),
    [
        (date(2025, 9, 10), 8),  # summer time
        (date(2025, 10, 24), 8),  # the last school day in summer time
        (date(2025, 11, 3), 9),  # winter time
        (date(2026, 3, 27), 9),
        (date(2026, 3, 30), 8),
    ],
)
def test_a_register_that_closes_at_0915_closes_at_0915_in_london(day: date, utc_hour: int) -> None:
    assert clock.session_opens(day, "09:15") == datetime(day.year, day.month, day.day, utc_hour, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["9:15", "24:00", "09:60", "09:15:00", "", "nine"])
def test_a_time_of_day_is_hh_mm(text: str) -> None:
    with pytest.raises(ValueError, match="time of day"):
        clock.session_opens(date(2025, 9, 10), text)


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2025-09-10 00:00:00.000000", date(2025, 9, 10)),  # midnight London in summer time: 23:00 UTC the day before
        ("2025-11-03 00:00:00.000000", date(2025, 11, 3)),
        ("2025-09-10T00:00:00+01:00", date(2025, 9, 10)),
        ("2025-09-10T23:30:00Z", date(2025, 9, 10)),
        ("2025-09-10", date(2025, 9, 10)),
    ],
)
def test_a_source_s_date_is_the_day_it_says(written: str, day: date) -> None:
    assert clock.date_as_written(written) == day


@pytest.mark.parametrize("written", ["10/09/2025", "2025-13-01", "2025-09-10x", "", "2025-09-31 00:00:00"])
def test_what_is_no_date_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"date|day|month"):
        clock.date_as_written(written)


def test_the_repeated_autumn_hour_takes_the_earlier_instant_and_says_so() -> None:
    read = clock.parse_local("2025-10-26T01:30:00")
    assert read == (datetime(2025, 10, 26, 0, 30, tzinfo=UTC), True, False)


def test_an_offset_makes_the_autumn_hour_certain() -> None:
    assert clock.parse_local("2025-10-26T01:30:00+00:00") == (datetime(2025, 10, 26, 1, 30, tzinfo=UTC), False, False)
    assert clock.parse_local("2025-10-26T01:30:00+01:00") == (datetime(2025, 10, 26, 0, 30, tzinfo=UTC), False, False)


@pytest.mark.parametrize(
    ("minute", "ambiguous"), [("00:59:59", False), ("01:00:00", True), ("01:59:59", True), ("02:00:00", False)]
)
def test_only_that_hour_is_ambiguous(minute: str, ambiguous: bool) -> None:
    assert clock.parse_local(f"2025-10-26T{minute}").ambiguous is ambiguous


def test_the_skipped_spring_hour_is_said_and_read_as_if_the_clock_had_stayed() -> None:
    assert clock.parse_local("2026-03-29T01:30:00") == (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), False, True)


@pytest.mark.parametrize("text", ["2025-09-10", "yesterday", ""])
def test_a_time_without_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"date|format"):
        clock.parse_local(text)


def test_the_london_day_of_an_instant() -> None:
    assert clock.london_date(datetime(2025, 9, 9, 23, 0, tzinfo=UTC)) == date(2025, 9, 10)
    assert clock.london_date(datetime(2025, 11, 2, 23, 0, tzinfo=UTC)) == date(2025, 11, 2)
    assert clock.london_date(datetime(2025, 9, 9, 20, 0, tzinfo=timezone(timedelta(hours=-5)))) == date(2025, 9, 10)
    with pytest.raises(ValueError, match="zone"):
        clock.london_date(datetime(2025, 9, 9, 23, 0))  # noqa: DTZ001 - an instant without a zone is the case


@given(st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)))  # noqa: DTZ001 - wall-clock times have no zone
def test_a_wall_clock_time_comes_back_unless_it_was_skipped(local: datetime) -> None:
    read = clock.local_instant(local)
    back = read.instant.astimezone(clock.LONDON).replace(tzinfo=None, fold=0)
    assert (back == local) is not read.skipped
    assert not (read.skipped and read.ambiguous)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_instant_is_at_most_one_hour_from_its_own_wall_clock_reading(instant: datetime) -> None:
    read = clock.local_instant(instant.astimezone(clock.LONDON).replace(tzinfo=None))
    assert read.instant == instant or (read.ambiguous and instant - read.instant == timedelta(hours=1))

"""What a sign-in says of a session: by the school's own times, in London's time, summer and winter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.domain.clock import london_date, session_opens
from streams.agents.evidence import Said, Window, submission_id, what_it_says

#: A Wednesday of summer time, and one of winter time.
SUMMER, WINTER = date(2025, 9, 10), date(2025, 11, 5)


def windows(day: date, *, am_closes: str = "09:15", **more: tuple[str, str]) -> dict[str, Window]:
    times = {"AM": ("08:50", am_closes), "PM": ("13:00", "13:20"), **more}
    return {session: Window(session_opens(day, a), session_opens(day, b)) for session, (a, b) in times.items()}


def at(day: date, time: str) -> datetime:
    return session_opens(day, time)


@pytest.mark.parametrize("day", [SUMMER, WINTER])
@pytest.mark.parametrize(
    ("time", "session", "code", "late"),
    [
        ("00:00", "AM", "/", None),
        ("08:49", "AM", "/", None),
        ("08:50", "AM", "L", 0),
        ("09:14", "AM", "L", 24),
        ("09:15", "AM", "U", 25),
        ("11:59", "AM", "U", 189),
        ("12:00", "PM", "\\", None),
        ("12:59", "PM", "\\", None),
        ("13:00", "PM", "L", 0),
        ("13:19", "PM", "L", 19),
        ("13:20", "PM", "U", 20),
        ("23:59", "PM", "U", 659),
    ],
)
def test_before_the_opening_present_while_open_late_after_the_closing_u(
    day: date, time: str, session: str, code: str, late: int | None
) -> None:
    """Rule 8: the same time of day in summer and in winter, an hour apart in UTC."""
    said = what_it_says(at(day, time), windows(day))
    assert said is not None
    assert (said.session_date, said.session, said.code, said.minutes_late) == (day, session, code, late)


@pytest.mark.parametrize(("closes", "code"), [("09:15", "U"), ("09:30", "L")])
def test_a_sign_in_at_twenty_past_nine_rule_17(closes: str, code: str) -> None:
    for day in (SUMMER, WINTER):
        said = what_it_says(at(day, "09:20"), windows(day, am_closes=closes))
        assert said is not None
        assert (said.code, said.minutes_late) == (code, 30)


def test_the_instant_is_told_by_london_not_by_utc() -> None:
    """08:20 UTC is 09:20 in September, when the register is closed, and 08:20 in November, when it is not open yet."""
    for day, code in ((SUMMER, "U"), (WINTER, "/")):
        said = what_it_says(datetime(day.year, day.month, day.day, 8, 20, tzinfo=UTC), windows(day))
        assert said is not None
        assert said.code == code


def test_the_day_is_londons_day() -> None:
    """Half an hour after a summer midnight is still the day before in UTC."""
    instant = datetime(2025, 9, 9, 23, 30, tzinfo=UTC)
    said = what_it_says(instant, windows(SUMMER))
    assert said is not None
    assert said.session_date == SUMMER


def test_an_afternoon_that_opens_before_noon_begins_with_its_opening() -> None:
    early = windows(SUMMER, PM=("11:45", "12:10"))
    found = [what_it_says(at(SUMMER, time), early) for time in ("11:44", "11:45", "12:05", "12:10")]
    assert [(one.session, one.code) for one in found if one] == [("AM", "U"), ("PM", "L"), ("PM", "L"), ("PM", "U")]


def test_a_session_without_a_register_says_nothing() -> None:
    mornings = {"AM": windows(SUMMER)["AM"]}
    assert what_it_says(at(SUMMER, "13:30"), mornings) is None
    assert what_it_says(at(SUMMER, "09:00"), mornings) is not None
    assert what_it_says(at(SUMMER, "09:00"), {}) is None


def test_the_id_is_a_function_of_source_and_key_alone() -> None:
    one = {"source": "front-desk", "idempotency_key": "k-1", "event_at": 1}
    assert submission_id(one) == submission_id({**one, "event_at": 2})
    assert submission_id(one) != submission_id({**one, "source": "back-door"})
    assert submission_id(one) != submission_id({**one, "idempotency_key": "k-2"})


@given(st.integers(0, 365 * 24 * 60).map(lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)))
def test_every_instant_of_a_year_gets_one_answer_and_later_is_never_earlier(instant: datetime) -> None:
    orders = {"/": 0, "\\": 0, "L": 1, "U": 2}

    def place(moment: datetime) -> tuple[date, str, int, int]:
        said = what_it_says(moment, windows(london_date(moment)))
        assert isinstance(said, Said)
        return said.session_date, said.session, orders[said.code], said.minutes_late or 0

    assert place(instant) <= place(instant + timedelta(minutes=7))

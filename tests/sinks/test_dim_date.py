"""`dim_date`: what a date is for a school."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.sinks import rows

URN, OTHER = 100001, 100002


def test_every_day_of_the_academic_year_once_with_its_kind_term_and_week(clickhouse: Any) -> None:
    """Week 1 holds 1 September, a Monday in 2025 and a Sunday in 2024. A later version of a calendar is in force."""
    autumn, spring = ("Autumn", date(2025, 9, 1), date(2025, 12, 19)), ("Spring", date(2026, 1, 5), date(2026, 3, 27))
    closed = [(date(2025, 9, 1), date(2025, 9, 1)), (date(2025, 9, 6), date(2025, 9, 6))]
    this = rows.calendar_of(URN, [autumn, spring], closed)
    half = {"first_day": date(2025, 10, 27), "last_day": date(2025, 10, 31), "reason": "half_term"}
    this["closures"].append(half)
    before = rows.calendar_of(OTHER, [("Autumn", date(2024, 9, 2), date(2024, 12, 20))], year="2024/25")
    rows.calendars(clickhouse, [this, before])

    def said(day: str, urn: int = URN) -> tuple[Any, ...]:
        asked = (
            "SELECT day_kind, term, school_week, weekday FROM dim_date"
            " WHERE urn = {u:UInt32} AND session_date = {d:Date}"
        )
        (row,) = clickhouse.query(asked, parameters={"u": urn, "d": day}).result_rows
        return tuple(row)

    assert said("2025-09-01") == ("inset", "Autumn", 1, 1)
    assert said("2025-09-02") == ("school_day", "Autumn", 1, 2)
    assert said("2025-09-06") == ("weekend", "Autumn", 1, 6)
    assert said("2025-10-29") == ("half_term", "Autumn", 9, 3)
    assert said("2025-12-19") == ("school_day", "Autumn", 16, 5)
    assert said("2025-12-22") == ("holiday", "", 17, 1)
    assert said("2026-01-05") == ("school_day", "Spring", 19, 1)
    assert said("2026-08-31") == ("holiday", "", 53, 1)
    assert said("2024-09-01", OTHER) == ("weekend", "", 1, 7)
    assert said("2024-09-02", OTHER) == ("school_day", "Autumn", 2, 1)
    later = ("Autumn", date(2024, 9, 4), date(2024, 12, 20))
    rows.calendars(
        clickhouse, [rows.calendar_of(OTHER, [later], taken_at=rows.TAKEN + timedelta(days=1), year="2024/25")]
    )
    assert said("2024-09-02", OTHER) == ("holiday", "", 2, 1)
    days = "count(), uniqExact(session_date), min(session_date), max(session_date)"
    counted = f"SELECT urn, {days} FROM dim_date GROUP BY urn ORDER BY urn"
    assert clickhouse.query(counted).result_rows == [
        (URN, 365, 365, date(2025, 9, 1), date(2026, 8, 31)),
        (OTHER, 365, 365, date(2024, 9, 1), date(2025, 8, 31)),
    ]
    open_days = "SELECT session_date, urn FROM open_days WHERE toDayOfWeek(session_date) <= 5 ORDER BY ALL"
    school_days = "SELECT session_date, urn FROM dim_date WHERE is_school_day ORDER BY ALL"
    assert clickhouse.query(school_days).result_rows == clickhouse.query(open_days).result_rows

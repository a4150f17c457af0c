"""Wonde's records in our words. Pure functions; a record that cannot be read raises ValueError, saying why, not what.

Field names: Wonde's PHP client and published docs. A date is an object: {"date": "2025-09-10 00:00:00.000000",
"timezone_type": 3, "timezone": "Europe/London"}.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.encoding import days, milliseconds
from connectors.records import minutes_late, text
from rollcall.domain.clock import date_as_written
from rollcall.domain.summaries import Summary

__all__ = ["KEPT_FIELDS", "SCHEME", "day_said", "deletion", "instant", "mark", "summary"]

#: `pupil_scheme` of Wonde's own ids.
SCHEME = "wonde"

#: What may stand in a refused record that is kept: ids, codes, days. A comment, a name or a note never does.
KEPT_FIELDS = frozenset(
    {
        "attendance_code",
        "created_at",
        "date",
        "deleted_at",
        "employee",
        "id",
        "lesson",
        "minutes_late",
        "period",
        "session",
        "student",
        "type",
        "updated_at",
    }
)
#: Wonde's abbreviated zones (timezone_type 2), in hours.
_ABBREVIATED = {"UTC": 0, "Z": 0, "GMT": 0, "BST": 1}


def day_said(stamp: Any) -> date:
    """The day that a date object says, in its own zone: never shifted, in summer time neither (rule 8)."""
    try:
        return date_as_written(str(stamp["date"]))
    except (TypeError, KeyError, ValueError):
        raise ValueError("a date cannot be read") from None


def instant(stamp: Any) -> datetime:
    """The instant a date object means, UTC; its zone is an offset, an abbreviation or a name. Of two, the earlier."""
    try:
        local = datetime.fromisoformat(str(stamp["date"]).strip())
        return local.replace(tzinfo=_zone(str(stamp.get("timezone", "UTC"))), fold=0).astimezone(UTC)
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        raise ValueError("a time cannot be read") from None


def mark(
    record: Mapping[str, Any], codes: Mapping[str, str], periods: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A record of attendance/session as a mark of `attendance.mis.v1`; with `periods`, one of attendance/lesson.

    codes: attendance-codes of this very school, id to display code: ids mean nothing at another school.
    periods: id to name likewise; lessons that include their period need none.
    """
    student = text(record, "student", "the pupil's id")
    session_date, session, period = _of_session(record) if periods is None else _of_lesson(record, periods)
    code_id = text(record, "attendance_code", "the code's id")
    if code_id not in codes:
        raise ValueError("its code is not in the school's list of codes")
    modified = record.get("updated_at")
    return {
        "record_id": text(record, "id", "the record's id"),
        "pupil_ref": student,
        "pupil_scheme": SCHEME,
        "session_date": days(session_date),
        "session": session,
        "period": period,
        "code": codes[code_id],
        "minutes_late": minutes_late(record.get("minutes_late")),
        "modified_at": None if modified is None else milliseconds(instant(modified)),
    }


def deletion(record: Mapping[str, Any]) -> str | None:
    """The id of the attendance record that is gone; None when it is a deletion of something else."""
    if "attendance" not in str(record.get("type", "")).lower():
        return None
    return text(record, "id", "the record's id")


def summary(record: Mapping[str, Any]) -> Summary:
    """A record of attendance-summaries: its counts by code. `possible_marks` and the sums beside them are not read."""
    counts = record.get("attendance_codes")
    if not isinstance(counts, Mapping):
        raise ValueError("it has no counts by code")
    updated = record.get("updated_at")
    return Summary(
        (SCHEME, text(record, "student", "the pupil's id")),
        {str(code): count for code, value in counts.items() if (count := _count(value))},
        None if updated is None else instant(updated),
    )


def _count(value: Any) -> int:
    """A number of marks. Wonde's counts are met as numbers, as digits and, for none, as null, "null" and "None"."""
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "null", "none")):
        return 0
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("a count is no number")


def _of_session(record: Mapping[str, Any]) -> tuple[date, str, None]:
    return day_said(record.get("date")), text(record, "session", "the session").upper(), None


def _of_lesson(record: Mapping[str, Any], periods: Mapping[str, str]) -> tuple[date, str, str]:
    """A lesson's day, half of the day and period (rule 7). Two forms are met: the mark itself says its date, session
    and the id of its period; or the lesson is included, and its beginning says it, as the school's clock shows it."""
    if record.get("period") is not None:
        period = periods.get(text(record, "period", "the period"))
        if period is None:
            raise ValueError("its period is not in the school's list of periods")
        return day_said(record.get("date")), text(record, "session", "the session").upper(), period
    lesson = _included(record.get("lesson"), "the lesson")
    begins: Any = lesson.get("start_at")
    session_date = day_said(begins)
    try:
        hour = datetime.fromisoformat(str(begins["date"]).strip()).hour
    except ValueError:
        raise ValueError("a time cannot be read") from None
    included = _included(lesson.get("period"), "the period")
    return session_date, "AM" if hour < 12 else "PM", str(included.get("name") or text(included, "id", "the period"))


def _included(value: Any, what: str) -> Mapping[str, Any]:
    found = value.get("data") if isinstance(value, Mapping) else None
    if not isinstance(found, Mapping):
        raise ValueError(f"{what} is not included")
    return found


def _zone(name: str) -> timezone | ZoneInfo:
    if name in _ABBREVIATED:
        return timezone(timedelta(hours=_ABBREVIATED[name]))
    if name[:1] in "+-":
        return datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo  # type: ignore[return-value]
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a zone is not known") from None

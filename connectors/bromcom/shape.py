"""Bromcom's records in our words. Pure functions; a record that cannot be read raises ValueError, saying why, not what.

Field names stand in lower case, as `client` gives them. Times without an offset are the school's, Europe/London
(rule 8). The id of a record is its place: a row of a week has no ids, and its marks must be the very records that
`Attendances` tells of. So `attendanceID` is not used, and what is entered anew in a place is the same record.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from connectors.encoding import days, milliseconds
from connectors.records import minutes_late, text
from rollcall.domain.clock import date_as_written, parse_local

__all__ = ["KEPT_FIELDS", "SCHEME", "attendance", "code", "lesson", "session_of", "urn", "week"]

#: `pupil_scheme` of Bromcom's own ids.
SCHEME = "bromcom"
#: What may stand in a refused record that is kept: ids, codes, days. A comment or a name never does.
KEPT_FIELDS = frozenset(
    {
        "attendanceid",
        "calendarenddate",
        "calendarmodelid",
        "calendarname",
        "calendarstartdate",
        "enddate",
        "mark",
        "marksubcode",
        "minute",
        "perioddisplayname",
        "recordedon",
        "startdate",
        "studentid",
        *(f"{day}{half}" for day in ("mon", "tue", "wed", "thu", "fri") for half in ("am", "pm")),
    }
)
_WEEK = [f"{day}{half}" for day in ("mon", "tue", "wed", "thu", "fri") for half in ("am", "pm")]
_SESSIONS = ("AM", "PM")
_NOON = 12


def attendance(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of `Attendances`: a session's mark where its calendar is AM or PM, else one of a lesson (rule 7)."""
    return _mark(record, text(record, "calendarname", "the session"), record.get("marksubcode"))


def lesson(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """A record of `BasicAttendance`; None where it is of a session, which the week says, or of no period at all."""
    if not str(record.get("perioddisplayname") or "").strip():
        return None
    period = text(record, "perioddisplayname", "the period")
    return None if session_of(period) else _mark(record, period, record.get("marksubcode"))


def week(record: Mapping[str, Any], monday: date) -> list[dict[str, Any]]:
    """The marks of a row of `StudentAttendanceByWeek`, Monday's first: at most ten, for blank is no mark (rule 3).

    monday: of the week that was asked for. A row that says of another week is refused.
    """
    student = text(record, "studentid", "the pupil's id")
    begins = record.get("startdate")
    if begins is not None and _monday(_day(begins, "the first day of the week")) != monday:
        raise ValueError("it is of another week than the one that was asked for")
    found = []
    for number, name in enumerate(_WEEK):
        said = code(record.get(name))
        if said:
            session_date = monday + timedelta(days=number // 2)
            found.append(_as_mark(student, session_date, _SESSIONS[number % 2], None, said))
    return found


def code(mark: Any, subcode: Any = None) -> str:
    """The code that a mark and its subcode make: "Y" and "1" are "Y1", and so are "Y1" and "1", and "Y" and "Y1"."""
    first, second = ("" if value is None else str(value).strip() for value in (mark, subcode))
    if not second or (len(first) > 1 and first.endswith(second)):
        return first
    return second if first and second.startswith(first) and second != first else first + second


def urn(school: Mapping[str, Any]) -> int | None:
    """The URN that a record of `Schools` says, where it says one."""
    said = str(school.get("uniquereferencenumber") or "").strip()
    return int(said) or None if said.isdecimal() else None


def session_of(name: str) -> str | None:
    """AM or PM, where that is what a calendar or a period is called; values come padded."""
    called = name.strip().upper()
    return called if called in _SESSIONS else None


def _mark(record: Mapping[str, Any], called: str, subcode: Any) -> dict[str, Any]:
    """A mark of what is called AM, PM, or as a period is; a lesson's half of the day follows from its beginning."""
    student = text(record, "studentid", "the pupil's id")
    begins = record.get("calendarstartdate")
    session_date = _day(begins, "the day")
    session, period = session_of(called), None
    if session is None:
        session, period = ("AM" if _instant(begins, "the beginning").hour < _NOON else "PM"), called
    return _as_mark(student, session_date, session, period, code(record.get("mark"), subcode)) | {
        "minutes_late": minutes_late(record.get("minute")),
        "modified_at": _modified_at(record.get("recordedon")),
    }


def _as_mark(student: str, session_date: date, session: str, period: str | None, said: str) -> dict[str, Any]:
    return {
        "record_id": f"{student}:{session_date.isoformat()}:{period or session}",
        "pupil_ref": student,
        "pupil_scheme": SCHEME,
        "session_date": days(session_date),
        "session": session,
        "period": period,
        "code": said,
        "minutes_late": None,
        "modified_at": None,
    }


def _modified_at(recorded: Any) -> int | None:
    if recorded is None:
        return None
    try:
        return milliseconds(parse_local(str(recorded)).instant)
    except ValueError:
        raise ValueError("the time at which it was recorded cannot be read") from None


def _day(said: Any, what: str) -> date:
    try:
        return date_as_written(str(said))
    except ValueError:
        raise ValueError(f"{what} cannot be read") from None


def _instant(said: Any, what: str) -> datetime:
    try:
        return datetime.fromisoformat(str(said).strip())
    except ValueError:
        raise ValueError(f"{what} cannot be read") from None


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())

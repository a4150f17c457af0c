"""Arbor's objects in our words. Pure functions; a record that cannot be read raises ValueError, saying why, not what.

Field names: the models of Arbor's own clients. A linked object comes as {"entityType", "href", ...}, often with its
properties, names among them: `bare_*` keep the ids, codes and times of an object and nothing else, before anything
else looks at it. A day is text, or {"entityType": "date", "date": "2025-09-10 00:00:00"}; a time has no zone and is
London's (rule 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from connectors.arbor.client import id_of
from connectors.encoding import days
from connectors.records import minutes_late, text
from rollcall.domain.clock import LONDON, date_as_written

__all__ = [
    "BARE_FIELDS",
    "SCHEME",
    "bare_lesson_record",
    "bare_roll_call_record",
    "code_of",
    "day",
    "day_or_none",
    "lesson_id",
    "mark",
    "moment",
    "session_of",
    "true",
    "written",
]

#: `pupil_scheme` of Arbor's own ids of students.
SCHEME = "arbor"
#: Every field of a bare record: all that may stand in a refused record that is kept.
BARE_FIELDS = frozenset(
    {
        "attendanceMark",
        "attendanceRollCall",
        "code",
        "id",
        "isRedundant",
        "lesson",
        "minutesLate",
        "recordDate",
        "session",
        "startDatetime",
        "student",
    }
)
#: Ids of lesson records are made another kind's: the two count from 1 each, and a deletion names an id alone.
_LESSON = "lesson:"


def bare_roll_call_record(object_id: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """An AttendanceRollCallRecord, the statutory mark. `code` and `session` where the links show them themselves."""
    roll_call = found.get("attendanceRollCall")
    return {
        **_bare(object_id, found),
        "attendanceRollCall": id_of(roll_call),
        "recordDate": written(found.get("recordDate")),
        "session": session_of(roll_call),
    }


def bare_lesson_record(object_id: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """An AttendanceRecord, the mark of a lesson."""
    return {
        **_bare(object_id, found),
        "lesson": True,
        "startDatetime": written(found.get("startDatetime")),
        "isRedundant": true(found.get("isRedundant")),
    }


def mark(record: Mapping[str, Any], codes: Mapping[str, str], sessions: Mapping[str, str]) -> dict[str, Any] | None:
    """A bare record as a mark of `attendance.mis.v1`; None for a lesson's that Arbor calls redundant.

    codes, sessions: what the school's AttendanceMarks and AttendanceRollCalls say by id, for links that do not say it
    themselves. A record without a mark is said without a code: missing, or withdrawn (rule 3).
    """
    if record.get("isRedundant"):
        return None
    pupil = text(record, "student", "the pupil's id")
    if record.get("lesson"):
        began = moment(record.get("startDatetime"))
        session_date, session, period = began.date(), "AM" if began.hour < 12 else "PM", f"{began:%H:%M}"
    else:
        session_date, session, period = day(record.get("recordDate")), _session(record, sessions), None
    return {
        "record_id": lesson_id(str(record["id"])) if record.get("lesson") else str(record["id"]),
        "pupil_ref": pupil,
        "pupil_scheme": SCHEME,
        "session_date": days(session_date),
        "session": session,
        "period": period,
        "code": _code(record, codes),
        "minutes_late": minutes_late(record.get("minutesLate")),
        "modified_at": None,
    }


def lesson_id(object_id: str) -> str:
    """The record id of a lesson's mark."""
    return f"{_LESSON}{object_id}"


def code_of(attendance_mark: Any) -> str | None:
    """The code that a mark shows in registers ("/", "L"); None where it does not say. `code` is Arbor's name of it."""
    found = attendance_mark.get("attendanceMark") if isinstance(attendance_mark, Mapping) else None
    return found.strip() if isinstance(found, str) else None


def session_of(roll_call: Any, types: Mapping[str, Mapping[str, Any]] | None = None) -> str | None:
    """AM or PM of a roll call, None where it does not say. types: the school's AttendanceRegisterTypes, by id.

    The type says whether it is the morning's; where it is not shown, the roll call's own code or name does.
    """
    if not isinstance(roll_call, Mapping):
        return None
    shown = roll_call.get("attendanceRegisterType")
    kind = (types or {}).get(str(id_of(shown)), shown)
    if isinstance(kind, Mapping):
        morning, afternoon = (true(kind.get(name)) for name in ("isMorning", "isAfternoon"))
        if morning != afternoon:
            return "AM" if morning else "PM"
    for name in ("code", "shortName", "name"):
        words = str(roll_call.get(name) or "").upper().replace("_", " ").split()
        morning, afternoon = ("AM" in words or "MORNING" in words), ("PM" in words or "AFTERNOON" in words)
        if morning != afternoon:
            return "AM" if morning else "PM"
    return None


def day(said: Any) -> date:
    """The day that is written, never shifted (rule 8)."""
    try:
        return date_as_written(str(written(said)))
    except ValueError:
        raise ValueError("a date cannot be read") from None


def day_or_none(said: Any) -> date | None:
    """As `day`; None where there is none that can be read."""
    try:
        return None if said is None else day(said)
    except ValueError:
        return None


def true(said: Any) -> bool:
    """Whether a flag is set, in any of the ways that JSON made of XML writes it."""
    return said in (True, 1, "1", "true")


def moment(said: Any) -> datetime:
    """A time as the clock in London shows it, which is how Arbor writes it; with an offset it is that instant's."""
    try:
        read = datetime.fromisoformat(str(written(said)).strip())
        return read if read.tzinfo is None else read.astimezone(LONDON).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ValueError("a time cannot be read") from None


def written(said: Any) -> Any:
    """What a date or time says, of its two forms."""
    return said.get("date") if isinstance(said, Mapping) else said


def _bare(object_id: str, found: Mapping[str, Any]) -> dict[str, Any]:
    attendance_mark = found.get("attendanceMark")
    return {
        "id": object_id,
        "student": id_of(found.get("student")),
        "attendanceMark": id_of(attendance_mark),
        "code": "" if attendance_mark is None else code_of(attendance_mark),
        "minutesLate": minutes_late(found.get("minutesLate")),
    }


def _code(record: Mapping[str, Any], codes: Mapping[str, str]) -> str:
    shown = record.get("code")
    if isinstance(shown, str):
        return shown
    found = codes.get(str(record.get("attendanceMark")))
    if found is None:
        raise ValueError("its mark is not in the school's list of marks")
    return found


def _session(record: Mapping[str, Any], sessions: Mapping[str, str]) -> str:
    found = record.get("session") or sessions.get(str(record.get("attendanceRollCall")))
    if found is None:
        raise ValueError("its roll call is neither the morning's nor the afternoon's")
    return str(found)

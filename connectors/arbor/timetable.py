"""When a school's registers open and close, and its terms, from Arbor's roll-call times and calendar.

Arbor knows when the roll calls of morning and afternoon are taken, effective-dated; a registration form takes both.
What lessons expect is not read: a register reference of ours holds session registers alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from connectors.arbor.client import Found, id_of
from connectors.arbor.roster import group_name
from connectors.arbor.shape import SCHEME, day_or_none, session_of, written
from connectors.contract import Pull
from connectors.encoding import days, milliseconds
from rollcall.domain.identity import academic_year

__all__ = ["CALENDAR_TOPIC", "KINDS", "MAY_BE_MISSING", "REGISTER_TOPIC", "calendar", "registers"]

REGISTER_TOPIC, CALENDAR_TOPIC = "reference.register.v1", "reference.calendar.v1"
#: What timetable and calendar are made of, registration forms aside.
KINDS = (
    "AttendanceRollCall",
    "AttendanceRegisterType",
    "AttendanceRollCallTime",
    "AttendanceRollCallTimeGroup",
    "AcademicYear",
    "Term",
    "AcademicHoliday",
)
#: Without these there is no timetable, or no calendar; marks and roster stand all the same.
MAY_BE_MISSING = frozenset(KINDS)
#: Monday to Friday: Arbor's working days are numbered in a way nobody has told us.
_WEEKDAYS = [1, 2, 3, 4, 5]
_FORMS = "/rest-v2/registration-forms/"
#: Words of a holiday's type or label, and the reason of ours.
_REASONS = (
    ("inset", "inset"),
    ("training", "inset"),
    ("bank", "bank_holiday"),
    ("public", "bank_holiday"),
    ("half", "half_term"),
)


def registers(pull: Pull, found: Mapping[str, Sequence[Found]]) -> dict[str, Any] | None:
    """The record for `reference.register.v1`; None where it cannot be told when which form's register is taken.

    A roll-call time with groups is for those registration forms alone, and goes before one that is for all. Where a
    group is anything else than a form, nobody can tell for whom it is, and no timetable is better than a wrong one.
    """
    sessions = _sessions(found)
    years = {year.id: year.object for year in found["AcademicYear"]}
    named: defaultdict[str, set[str]] = defaultdict(set)
    for one in found["AttendanceRollCallTimeGroup"]:
        group, named_time = one.object.get("studentGroup"), id_of(one.object.get("attendanceRollCallTime"))
        if named_time is None or not str(group.get("href") if isinstance(group, Mapping) else "").startswith(_FORMS):
            return None
        named[named_time].add(str(id_of(group)))
    made: list[dict[str, Any]] = []
    for form in found["RegistrationForm"]:
        name, first_day, last_day = group_name(form.object), *_year_of(form.object, years)
        for session in ("AM", "PM"):
            of_session = [
                time
                for time in found["AttendanceRollCallTime"]
                if sessions.get(str(id_of(time.object.get("attendanceRollCall")))) == session
            ]
            own = [time for time in of_session if form.id in named[time.id]]
            for time in own or [time for time in of_session if not named[time.id]]:
                register = _register(name, session, time.object, first_day, last_day)
                if name and register is not None:
                    made.append(register)
    made.sort(key=lambda one: (one["group_id"], one["session"], one["valid_from"], one["opens_at"]))
    head = {"urn": pull.source.urn, "source": SCHEME, "taken_at": milliseconds(pull.taken_at)}
    return {**head, "registers": made} if made else None


def calendar(pull: Pull, found: Mapping[str, Sequence[Found]], today: date) -> dict[str, Any] | None:
    """The record for `reference.calendar.v1` of the academic year that it is today; None where Arbor has no terms."""
    for year in found["AcademicYear"]:
        first, last = day_or_none(year.object.get("startDate")), day_or_none(year.object.get("endDate"))
        if first is None or last is None or not first <= today <= last:
            continue
        terms = [
            {"name": str(term.object.get("termName") or term.object.get("shortTermName") or "Term"), **span}
            for term in found["Term"]
            if id_of(term.object.get("academicYear")) == year.id and (span := _span(term.object, first, last))
        ]
        closures = [
            {**span, "reason": _reason(holiday.object)}
            for holiday in found["AcademicHoliday"]
            if (span := _span(holiday.object, first, last))
        ]
        if not terms:
            return None
        return {
            "urn": pull.source.urn,
            "academic_year": academic_year(today),
            "taken_at": milliseconds(pull.taken_at),
            "terms": sorted(terms, key=lambda one: (one["first_day"], one["name"])),
            "closures": sorted(closures, key=lambda one: (one["first_day"], one["last_day"], one["reason"])),
        }
    return None


def _sessions(found: Mapping[str, Sequence[Found]]) -> dict[str, str]:
    """AM or PM of each roll call in use, by id."""
    types = {one.id: one.object for one in found["AttendanceRegisterType"]}
    sessions: dict[str, str] = {}
    for one in found["AttendanceRollCall"]:
        if one.object.get("active") in (False, 0, "0", "false"):
            continue
        session = session_of(one.object, types)
        if session is not None:
            sessions[one.id] = session
    return sessions


def _register(
    name: str, session: str, time: Mapping[str, Any], first_day: date | None, last_day: date | None
) -> dict[str, Any] | None:
    """One expected register while its time and its form are in force; None when they never are, or without times."""
    opens, closes = (_clock(time.get(field)) for field in ("registerOpensTime", "registerClosesTime"))
    begins = [one for one in (day_or_none(time.get("effectiveDate")), first_day) if one is not None]
    ends = [one for one in (day_or_none(time.get("endDate")), last_day) if one is not None]
    if opens is None or closes is None or not begins or (ends and min(ends) < max(begins)):
        return None
    return {
        "group_id": name,
        "session": session,
        "period": None,
        "opens_at": opens,
        "closes_at": closes,
        "weekdays": _WEEKDAYS,
        "valid_from": days(max(begins)),
        "valid_to": days(min(ends)) if ends else None,
    }


def _year_of(form: Mapping[str, Any], years: Mapping[str, Mapping[str, Any]]) -> tuple[date | None, date | None]:
    """First and last day of the academic year that a form belongs to."""
    shown = form.get("academicYear")
    year = years.get(str(id_of(shown)), shown if isinstance(shown, Mapping) else {})
    return day_or_none(year.get("startDate")), day_or_none(year.get("endDate"))


def _span(dated: Mapping[str, Any], first: date, last: date) -> dict[str, int]:
    """The days of a term or holiday within an academic year; empty when it has none there."""
    begins, ends = day_or_none(dated.get("startDate")), day_or_none(dated.get("endDate"))
    if begins is None or ends is None or ends < first or begins > last or ends < begins:
        return {}
    return {"first_day": days(max(begins, first)), "last_day": days(min(ends, last))}


def _reason(holiday: Mapping[str, Any]) -> str:
    kind = holiday.get("academicHolidayType")
    said = f"{id_of(kind) or kind or ''} {holiday.get('holidayLabel') or ''}".lower()
    return next((reason for word, reason in _REASONS if word in said), "planned")


def _clock(said: Any) -> str | None:
    """HH:MM of a time of day as Arbor writes it (08:45:00, or with a date before it)."""
    text = str(written(said) or "").strip().split(" ")[-1]
    hours, _, minutes = text[:5].partition(":")
    whole = hours.isdecimal() and minutes.isdecimal() and len(minutes) == 2
    return f"{int(hours):02d}:{minutes}" if whole and int(hours) < 24 and int(minutes) < 60 else None

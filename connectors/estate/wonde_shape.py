"""The documents of the Wonde-shaped server: what a school, a student, a code or a mark looks like there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from connectors.estate.dirt import LOCAL_CODES, UNKNOWN_CODES
from connectors.estate.pulled import LESSON_PERIODS
from connectors.estate.pupils import (
    BOARDER,
    LEAVER,
    PART_TIME,
    PRE_ADMISSION,
    year_name,
)
from connectors.estate.registers import groups_of
from connectors.estate.schools import School
from rollcall.domain.codes import BY_CODE, CODES, Code

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PulledRecord

__all__ = ["WondeShape", "stamp"]

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


def stamp(instant: datetime | None) -> dict[str, Any] | None:
    """An instant as Wonde writes it, in UTC."""
    if instant is None:
        return None
    return {"date": f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}", "timezone_type": 3, "timezone": "UTC"}


def _local_day(day: date | None) -> dict[str, Any] | None:
    """A day as Wonde writes it: midnight of the school's own zone, which it names (rule 8)."""
    if day is None:
        return None
    return {"date": f"{day.isoformat()} 00:00:00.000000", "timezone_type": 3, "timezone": "Europe/London"}


class WondeShape:
    """Makes the documents of an estate's pulled schools."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._codes: dict[int, dict[str, str]] = {}

    def school(self, school: School) -> dict[str, Any]:
        """A school's facts."""
        return {
            "id": school.source_id,
            "name": school.name,
            "establishment_number": str(2_000 + school.index % 7_000),
            "urn": school.urn,
            "la_code": school.la_code,
            "phase_of_education": school.phase.upper(),
            "mis": "simulated",
            "timezone": "Europe/London",
            "extended": {
                "allows_writeback": False,
                "has_timetables": True,
                "has_lesson_attendance": school.lessons,
            },
            "region": {"code": "GB-ENG", "identifiers": {"la_code": school.la_code, "urn": str(school.urn)}},
        }

    def listing(self, school: School, resource: str) -> list[dict[str, Any]] | None:
        """All documents of a resource that does not change in a day; None when there is no such resource."""
        pupils = self._estate.pupils
        if resource == "attendance-codes":
            return [
                {"id": identifier, "code": code, "description": f"Code {code}", "type": "ATTENDANCE"}
                for code, identifier in self.codes(school).items()
            ]
        if resource == "groups":
            names = [group for group, _ in groups_of(pupils, school)]
            return [self._group(school, name) for name in names]
        if resource == "periods":
            return self._periods(school)
        if resource not in ("students", "students-leaver", "students-pre-admission"):
            return None
        upns = self._estate.upns(school)
        first = pupils.of(school).start
        # Pupils not admitted yet are listed among the students too, as several MIS do once a place is accepted.
        flag = {"students-leaver": LEAVER, "students-pre-admission": PRE_ADMISSION}.get(resource)
        return [
            self._student(school, row, upns[row - first])
            for row in pupils.of(school)
            if (pupils.flags[row] & flag if flag else not pupils.flags[row] & LEAVER)
        ]

    def codes(self, school: School) -> dict[str, str]:
        """Display code -> id, as the school has them: national ones, its own, and some that nobody maps."""
        if school.urn not in self._codes:
            known = [code.code for code in CODES]
            if school.pulled_scheme != "national":
                known += list(LOCAL_CODES)
            known += list(UNKNOWN_CODES)
            self._codes[school.urn] = {code: f"A{school.index:05d}90{place:03d}" for place, code in enumerate(known)}
        return self._codes[school.urn]

    def record(self, urn: int, record: PulledRecord) -> dict[str, Any]:
        """One mark, of a session or of a lesson."""
        school = self._estate.by_urn[urn]
        document = {
            "id": record.record_id,
            "student": record.pupil_ref,
            "employee": f"A7{record.sequence % 90:08d}",
            "session": record.session,
            "date": _local_day(record.session_date),
            "attendance_code": self.codes(school)[record.code],
            "comment": f"Remark-{record.sequence}" if record.sequence % 50 == 0 else None,
        }
        if record.period is not None:
            document["lesson"] = {"data": self._lesson(school, record.period, record.session_date)}
        return document

    def summary(self, pupil_ref: str, marks: Sequence[PulledRecord]) -> dict[str, Any]:
        """What a pupil's session marks come to, as attendance-summaries gives it; `marks`: one a session."""
        counts = Counter(record.code for record in marks)
        known = [(BY_CODE[code], count) for code, count in counts.items() if code in BY_CODE]

        def those(which: Callable[[Code], bool]) -> int:
            return sum(count for code, count in known if which(code))

        return {
            "student": pupil_ref,
            "possible_marks": those(lambda code: code.in_possible_sessions) or None,
            "present": those(lambda code: code.category == "attending"),
            "approved_education_activity": those(lambda code: code.category == "approved_educational_activity"),
            "authorised_absences": those(lambda code: code.absence_type == "authorised"),
            "unauthorized_absences": those(lambda code: code.absence_type == "unauthorised"),
            "late_before_registration": counts["L"],
            "late_after_registration": counts["U"],
            "missing_marks": counts["-"],
            "attendance_codes": {code: count for code, count in sorted(counts.items()) if code != "-"},
            "updated_at": stamp(max((mark.updated_at for mark in marks if mark.updated_at is not None), default=None)),
        }

    def _lesson(self, school: School, period: str, day: date) -> dict[str, Any]:
        """The lesson a mark was made in, as `include=lesson,lesson.period` gives it; times in the school's zone."""
        opens, closes = next((opens, closes) for name, opens, closes, _ in LESSON_PERIODS if name == period)
        times = {"timezone_type": 3, "timezone": "Europe/London"}
        return {
            "id": f"A6{school.index:05d}{day.toordinal() % 10_000:04d}{period}",
            "start_at": {"date": f"{day.isoformat()} {opens}:00.000000", **times},
            "end_at": {"date": f"{day.isoformat()} {closes}:00.000000", **times},
            "period": {"data": {"id": self._period_id(school, period, day.weekday()), "name": period}},
        }

    def _group(self, school: School, name: str) -> dict[str, Any]:
        identifier = f"A5{school.index:05d}{name}"
        return {"id": identifier, "mis_id": name, "name": name, "code": name, "type": "REGISTRATION"}

    def _periods(self, school: School) -> list[dict[str, Any]]:
        """Registration and lesson periods of the week. `type` tells them apart; times are London wall-clock times."""
        opens_am, closes_am, opens_pm, closes_pm = school.times
        slots = [("AM", opens_am, closes_am, "AM", "REGISTRATION"), ("PM", opens_pm, closes_pm, "PM", "REGISTRATION")]
        if school.lessons:
            slots += [(name, opens, closes, session, "LESSON") for name, opens, closes, session in LESSON_PERIODS]
        return [
            {
                "id": self._period_id(school, name, weekday),
                "mis_id": f"{day[:3]}:{name}",
                "name": name,
                "description": f"{day.title()} {name}",
                "type": kind,
                "session": session,
                "day": day,
                "day_number": weekday + 1,
                "start_time": f"{opens}:00",
                "end_time": f"{closes}:00",
            }
            for weekday, day in enumerate(_DAYS)
            for name, opens, closes, session, kind in slots
        ]

    @staticmethod
    def _period_id(school: School, name: str, weekday: int) -> str:
        return f"A8{school.index:05d}{weekday}{name}"

    def _student(self, school: School, row: int, upn: str) -> dict[str, Any]:
        pupils, day = self._estate.pupils, self._estate.dates[0]
        first, last = pupils.enrolled(row, day)
        flags, year = int(pupils.flags[row]), int(pupils.year[row])
        group = self._group(school, pupils.group(row))
        return {
            "id": school.pupil_id(row),
            "upi": f"{row:032x}",
            "mis_id": pupils.mis_id(row),
            "forename": f"Forename-{row}",
            "surname": f"Surname-{row}",
            "legal_forename": f"Forename-{row}",
            "legal_surname": f"Surname-{row}",
            "middle_names": None,
            "gender": None,
            "date_of_birth": _local_day(pupils.born(row, day)),
            "created_at": stamp(datetime(2025, 7, 1, tzinfo=UTC)),
            "updated_at": stamp(datetime(2025, 9, 1, tzinfo=UTC)),
            "education_details": {
                "data": {
                    "upn": upn,
                    "former_upn": None,
                    "admission_number": pupils.mis_id(row),
                    "admission_date": _local_day(first),
                    "leaving_date": _local_day(last),
                    "current_nc_year": year_name(year),
                    "part_time": bool(flags & PART_TIME),
                }
            },
            "extended_details": {
                "data": {
                    "enrolment_status": pupils.census_status(row),
                    "boarder": bool(flags & BOARDER),
                }
            },
            "year": {"data": {"id": f"A4{school.index:05d}{year}", "name": f"Year {year_name(year)}"}},
            "groups": {"data": [group]},
        }

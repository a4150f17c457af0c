"""The objects of the Arbor-shaped server that do not change in a day: a school's students, forms, times, marks' codes.

Names are placeholders (`server.NEVER_IN_KAFKA`). An object is shown with what it links to, one level deep.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from connectors.estate.dirt import LOCAL_CODES, UNKNOWN_CODES
from connectors.estate.pupils import BOARDER, PART_TIME, academic_year_of, year_name
from connectors.estate.registers import groups_of
from connectors.estate.schools import School
from rollcall.domain.codes import CODES

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["ROLL_CALLS", "ArborObjects", "Link", "Objects"]

#: Ids of the two roll calls.
ROLL_CALLS = {"AM": "1", "PM": "2"}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


class Link(NamedTuple):
    """What an object holds of another one."""

    kind: str
    id: str


#: Properties by kind and id.
Objects = dict[str, dict[str, dict[str, Any]]]


class ArborObjects:
    """Makes the objects of an estate's schools, each school's once."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._made: dict[int, Objects] = {}
        self._codes: dict[int, dict[str, str]] = {}

    def of(self, school: School) -> Objects:
        """A school's objects, records of attendance aside."""
        if school.urn not in self._made:
            self._made[school.urn] = {**self._times(school), **self._year(school), **self._people(school)}
        return self._made[school.urn]

    def mark_id(self, school: School, code: str) -> str:
        """The id of the AttendanceMark that shows a code."""
        if school.urn not in self._codes:
            known = [code.code for code in CODES]
            if school.pulled_scheme != "national":
                known += list(LOCAL_CODES)
            known += list(UNKNOWN_CODES)
            self._codes[school.urn] = {shown: f"MARK_{place}" for place, shown in enumerate(known)}
        return self._codes[school.urn][code]

    def _times(self, school: School) -> Objects:
        """Marks and roll calls. A school with groups that nobody of is due in the afternoon names the others."""
        self.mark_id(school, CODES[0].code)
        marks = {
            identifier: {"code": f"NAME_{identifier}", "attendanceMark": code, "active": True}
            for code, identifier in self._codes[school.urn].items()
        }
        opens_am, closes_am, opens_pm, closes_pm = school.times
        slots = {"AM": (opens_am, closes_am), "PM": (opens_pm, closes_pm)}
        begin = date(academic_year_of(self._estate.dates[0]), 9, 1).isoformat()
        flags = self._estate.pupils.flags
        full_day = {
            name: bool(np.any((flags[rows] & (PART_TIME | BOARDER)) == 0))
            for name, rows in groups_of(self._estate.pupils, school)
        }
        only = [] if all(full_day.values()) else [name for name, is_full in full_day.items() if is_full]
        times = {
            ROLL_CALLS[session]: {
                "attendanceRollCall": Link("AttendanceRollCall", ROLL_CALLS[session]),
                "effectiveDate": begin,
                "endDate": None,
                "registerOpensTime": f"{opens}:00",
                "registerClosesTime": f"{closes}:00",
                "rollCallPeriodEndTime": f"{closes}:00",
            }
            for session, (opens, closes) in slots.items()
        }
        return {
            "AttendanceMark": marks,
            "AttendanceRegisterType": {
                session: {"isMorning": session == "AM", "isAfternoon": session == "PM"} for session in slots
            },
            "AttendanceRollCall": {
                ROLL_CALLS[session]: {
                    "name": f"Roll call {ROLL_CALLS[session]}",
                    "attendanceRegisterType": Link("AttendanceRegisterType", session),
                    "active": True,
                }
                for session in slots
            },
            "AttendanceRollCallTime": times,
            "AttendanceRollCallTimeGroup": {
                f"G-{name}": {
                    "attendanceRollCallTime": Link("AttendanceRollCallTime", ROLL_CALLS["PM"]),
                    "studentGroup": Link("RegistrationForm", f"F-{name}"),
                }
                for name in only
            },
        }

    def _year(self, school: School) -> Objects:
        calendar, pupils = self._estate.calendar, self._estate.pupils
        begins = academic_year_of(self._estate.dates[0])
        year = Link("AcademicYear", str(begins))
        levels = sorted({int(pupils.year[row]) for row in pupils.of(school)})
        return {
            "AcademicYear": {year.id: {"startDate": f"{begins}-09-01", "endDate": f"{begins + 1}-08-31"}},
            "Term": {
                name: {"termName": name, "academicYear": year, "startDate": f"{first}", "endDate": f"{last}"}
                for name, first, last in calendar.terms(begins)
            },
            "AcademicHoliday": {
                f"{first}": {"holidayLabel": reason.replace("_", " "), "startDate": f"{first}", "endDate": f"{last}"}
                for first, last, reason in calendar.closures(begins)
            },
            "CurriculumGrade": {f"C{level}": {"d00020": year_name(level)} for level in levels},
            "AcademicLevel": {
                f"L{level}": {"curriculumGrade": Link("CurriculumGrade", f"C{level}"), "academicYear": year}
                for level in levels
            },
            "RegistrationForm": {
                f"F-{name}": {"registrationFormName": name, "academicYear": year}
                for name, _ in groups_of(pupils, school)
            },
        }

    def _people(self, school: School) -> Objects:
        pupils, day = self._estate.pupils, self._estate.dates[0]
        made: Objects = {
            "EnrolmentMode": {letter: {"d00018": letter} for letter in ("C", "M", "S")},
            "AttendancePattern": {"PART": {"isPartTime": True}, "FULL": {"isPartTime": False}},
        }
        begin = f"{academic_year_of(day)}-09-01"

        def add(kind: str, identifier: str, **properties: Any) -> None:
            made.setdefault(kind, {})[identifier] = properties

        for row, upn in zip(pupils.of(school), self._estate.upns(school), strict=True):
            who, flags = school.pupil_id(row), int(pupils.flags[row])
            student = Link("Student", who)
            first, last = (None if one is None else one.isoformat() for one in pupils.enrolled(row, day))
            add(
                "Person",
                f"P{who}",
                legalFirstName=f"Forename-{row}",
                legalLastName=f"Surname-{row}",
                dateOfBirth={"entityType": "date", "date": f"{pupils.born(row, day)} 00:00:00"},
            )
            add("Student", who, person=Link("Person", f"P{who}"), studentNumber=pupils.mis_id(row))
            add("EducationalInstitutionEnrolment", who, student=student, entryDate=first, leavingDate=last)
            level = Link("AcademicLevel", f"L{int(pupils.year[row])}")
            add("AcademicLevelMembership", who, student=student, academicLevel=level, startDate=begin, endDate=None)
            form = Link("RegistrationForm", f"F-{pupils.group(row)}")
            add(
                "RegistrationFormMembership", who, student=student, registrationForm=form, startDate=first, endDate=last
            )
            add(
                "UkDfe_UpnAssignment",
                who,
                student=student,
                upn=upn,
                startDatetime=f"{first} 00:00:00",
                endDatetime=None,
            )
            if flags & PART_TIME:
                pattern = Link("AttendancePattern", "PART")
                add("StudentAttendancePattern", who, student=student, attendancePattern=pattern, startDate=begin)
            if flags & BOARDER:
                nights = {f"{weekday}BoardingStatus": Link("BoardingStatus", "B") for weekday in _WEEKDAYS}
                add("BoardingPattern", who, student=student, effectiveDate=begin, **nights)
            if pupils.census_status(row) == "S":
                add("AcademicYearEnrolment", who, student=student, startDate=first, endDate=None)
                enrolment, mode = Link("AcademicYearEnrolment", who), Link("EnrolmentMode", "S")
                add("EnrolmentModeAssignment", who, academicYearEnrolment=enrolment, enrolmentMode=mode, endDate=None)
        for kind in ("StudentAttendancePattern", "BoardingPattern", "EnrolmentModeAssignment"):
            made.setdefault(kind, {})
        return made

"""A school's roster from Arbor's objects: which of them says what. The rest is `connectors.roster`.

A student's time on roll, year group, registration form, UPN, part-time pattern and boarding are objects of their own,
each with its dates, so that a roster takes some five requests a pupil: `connector` reads whole only what has changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from connectors import roster as rosters
from connectors.arbor.client import Found, id_of
from connectors.arbor.shape import SCHEME, day_or_none, true
from connectors.contract import Pull
from connectors.pupils import UpnKey
from connectors.roster import Enrolled, Member

__all__ = ["KINDS", "MAY_BE_MISSING", "group_name", "roster"]

#: What a roster is made of.
KINDS = (
    "Student",
    "EducationalInstitutionEnrolment",
    "AcademicLevel",
    "AcademicLevelMembership",
    "RegistrationForm",
    "RegistrationFormMembership",
    "UkDfe_UpnAssignment",
    "CurriculumGrade",
    "EnrolmentMode",
    "EnrolmentModeAssignment",
    "StudentAttendancePattern",
    "AttendancePattern",
    "BoardingPattern",
)
#: What a school may not use or not show: without it, pupils are on roll as main, full-time and not boarding.
MAY_BE_MISSING = frozenset(KINDS[7:])
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: Codes of a boarding status that mean: not a boarder (school census: N).
_NOT_BOARDING = frozenset({"N", "NO", "NONE", "NOT_BOARDER", "NOT_A_BOARDER"})


def roster(pull: Pull, found: Mapping[str, Sequence[Found]], upn_key: UpnKey, today: date) -> dict[str, Any]:
    """The record for `reference.roster.v1` from everything of `KINDS` that a school shows."""
    enrolments, years = _of_student(found["EducationalInstitutionEnrolment"]), _year_groups(found)
    forms, upns, status = _groups(found), _upns(found["UkDfe_UpnAssignment"]), _statuses(found)
    part_time, boarders = _part_time(found), _boarders(found["BoardingPattern"])

    def listed(student: Found) -> rosters.Listed:
        pupil = student.id
        person = student.object.get("person")
        return rosters.Listed(
            refs=rosters.references(SCHEME, pupil, student.object.get("studentNumber"), upns.get(pupil), upn_key),
            born=day_or_none(person.get("dateOfBirth")) if isinstance(person, Mapping) else None,
            enrolments=[
                Enrolled(
                    first_day=day_or_none(one.get("entryDate")),
                    last_day=day_or_none(one.get("leavingDate")),
                    status=status.get(pupil, "main"),
                    year_group=years.get(pupil, "X"),
                    boarder=pupil in boarders,
                    part_time=pupil in part_time,
                )
                for one in sorted(enrolments[pupil], key=lambda one: day_or_none(one.get("entryDate")) or date.min)
            ],
            groups=forms[pupil],
        )

    return rosters.roster(pull, SCHEME, (listed(student) for student in found["Student"]), today)


def group_name(form: Mapping[str, Any]) -> str:
    """What a registration form is called, in rosters and in timetables; '' when it has no name."""
    return str(form.get("registrationFormName") or form.get("shortName") or form.get("code") or "").strip()


def _of_student(found: Iterable[Found]) -> defaultdict[str, list[Mapping[str, Any]]]:
    by_student: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in found:
        student = id_of(one.object.get("student"))
        if student is not None:
            by_student[student].append(one.object)
    return by_student


def _year_groups(found: Mapping[str, Sequence[Found]]) -> dict[str, str]:
    """The year group of a pupil's latest level: by its national curriculum year, by its name where that is missing."""
    grades = {grade.id: grade.object for grade in found["CurriculumGrade"]}
    names: dict[str, str] = {}
    for level in found["AcademicLevel"]:
        shown = level.object.get("curriculumGrade")
        grade = grades.get(str(id_of(shown)), shown if isinstance(shown, Mapping) else {})
        said = grade.get("d00020") or level.object.get("academicLevelName") or level.object.get("shortName")
        names[level.id] = rosters.year_group(said)
    return {
        student: names.get(str(id_of(_latest(memberships).get("academicLevel"))), "X")
        for student, memberships in _of_student(found["AcademicLevelMembership"]).items()
    }


def _groups(found: Mapping[str, Sequence[Found]]) -> defaultdict[str, list[Member]]:
    names = {form.id: group_name(form.object) for form in found["RegistrationForm"]}
    members: defaultdict[str, list[Member]] = defaultdict(list)
    for student, memberships in _of_student(found["RegistrationFormMembership"]).items():
        for one in memberships:
            name = names.get(str(id_of(one.get("registrationForm"))))
            if name:
                members[student].append(
                    Member(name, day_or_none(one.get("startDate")), day_or_none(one.get("endDate")))
                )
    return members


def _upns(found: Sequence[Found]) -> dict[str, str]:
    """A pupil's UPN now: the latest that has not ended, a permanent one before a temporary."""
    upns: dict[str, str] = {}
    for student, assigned in _of_student(found).items():
        now = [one for one in assigned if not one.get("endDatetime")] or assigned
        lasting = [one for one in now if not true(one.get("isTemporary"))] or now
        upns[student] = str(_latest(lasting, "startDatetime").get("upn") or "")
    return upns


def _statuses(found: Mapping[str, Sequence[Found]]) -> dict[str, str]:
    """Enrolment status of pupils whose mode is not that of a main enrolment (CBDS D00018: the census' letter)."""
    letters = {
        mode.id: str(mode.object.get("d00018") or mode.object.get("code") or "") for mode in found["EnrolmentMode"]
    }
    statuses: dict[str, str] = {}
    for one in found["EnrolmentModeAssignment"]:
        enrolment = one.object.get("academicYearEnrolment")
        student = id_of(enrolment.get("student")) if isinstance(enrolment, Mapping) else None
        status = rosters.status(letters.get(str(id_of(one.object.get("enrolmentMode")))))
        if student is not None and status != "main" and not one.object.get("endDate"):
            statuses[student] = status
    return statuses


def _part_time(found: Mapping[str, Sequence[Found]]) -> set[str]:
    patterns = {one.id for one in found["AttendancePattern"] if true(one.object.get("isPartTime"))}
    return {
        student
        for student, has in _of_student(found["StudentAttendancePattern"]).items()
        if id_of(_latest(has).get("attendancePattern")) in patterns
    }


def _boarders(found: Sequence[Found]) -> set[str]:
    def boards(pattern: Mapping[str, Any]) -> bool:
        statuses = (id_of(pattern.get(f"{weekday}BoardingStatus")) for weekday in _WEEKDAYS)
        return any(status is not None and status.upper() not in _NOT_BOARDING for status in statuses)

    return {student for student, has in _of_student(found).items() if boards(_latest(has, "effectiveDate"))}


def _latest(dated: Sequence[Mapping[str, Any]], began: str = "startDate") -> Mapping[str, Any]:
    return max(dated, key=lambda one: day_or_none(one.get(began)) or date.min)

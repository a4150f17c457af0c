"""Arbor's objects in our words: days, lessons, codes, the roster, register times and terms."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors.arbor import roster, shape, timetable
from connectors.arbor.client import Found
from connectors.contract import Pull, Source
from connectors.encoding import days
from connectors.pupils import UpnKey
from connectors.records import read_page

TODAY = date(2025, 9, 10)
PULL = Pull("p", Source("school-a", 100_001), datetime(2025, 9, 10, 8, 30, tzinfo=UTC))


def link(kind: str, object_id: str, **shown: Any) -> dict[str, Any]:
    path = {"RegistrationForm": "registration-forms", "AcademicLevel": "academic-levels"}.get(kind, "things")
    return {"entityType": kind, "href": f"/rest-v2/{path}/{object_id}", **shown}


def stamped(day: str) -> dict[str, Any]:
    return {"entityType": "date", "date": f"{day} 00:00:00"}


def record(**changed: Any) -> dict[str, Any]:
    return {
        "attendanceRollCall": link("AttendanceRollCall", "1", name="AM Roll Call"),
        "recordDate": "2025-09-10",
        "student": link("Student", "12", displayName="Forename-nowhere"),
        "attendanceMark": link("AttendanceMark", "PRESENT", attendanceMark="/", code="PRESENT"),
        "minutesLate": None,
        "validationError": "Remark that goes no further",
        **changed,
    }


def said(**changed: Any) -> dict[str, Any]:
    mark = shape.mark(shape.bare_roll_call_record("9", record(**changed)), {"L": "L"}, {"2": "PM"})
    assert mark is not None
    return mark


def lesson(began: Any, **changed: Any) -> dict[str, Any] | None:
    found = {**record(**changed), "startDatetime": began, "recordNote": "Remark that goes no further"}
    return shape.mark(shape.bare_lesson_record("9", found), {}, {})


@pytest.mark.parametrize("day", ["2025-09-10", "2025-11-03", "2025-03-30", "2025-10-26"])
def test_rule_8_a_day_is_the_day_it_says_in_both_of_its_forms(day: str) -> None:
    """Midnight in London in summer is another day in UTC, and still the day it says."""
    assert said(recordDate=day)["session_date"] == days(date.fromisoformat(day))
    assert said(recordDate=stamped(day)) == said(recordDate=day)


def test_a_mark_is_the_code_that_registers_show_not_arbors_name_of_it() -> None:
    mark = said(minutesLate="12")
    assert (mark["record_id"], mark["pupil_scheme"], mark["pupil_ref"]) == ("9", "arbor", "12")
    assert (mark["session"], mark["period"], mark["code"], mark["minutes_late"]) == ("AM", None, "/", 12)
    assert not any(word in json.dumps(mark) for word in ("Remark", "nowhere", "PRESENT"))


@pytest.mark.parametrize("minutes", [None, "", "null", -5, 100_000, True, "soon"])
def test_minutes_that_are_none_are_not_given(minutes: Any) -> None:
    assert said(minutesLate=minutes)["minutes_late"] is None


def test_rule_3_a_record_without_a_mark_is_said_without_a_code() -> None:
    assert said(attendanceMark=None)["code"] == ""
    assert said(attendanceMark=link("AttendanceMark", "X", attendanceMark=""))["code"] == ""


def test_links_that_show_nothing_are_looked_up_in_the_schools_own_lists() -> None:
    looked_up = said(attendanceMark=link("AttendanceMark", "L"), attendanceRollCall=link("AttendanceRollCall", "2"))
    assert (looked_up["code"], looked_up["session"]) == ("L", "PM")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"student": None}, "the pupil's id is missing"),
        ({"student": {"entityType": "Student", "href": "https://elsewhere.invalid/1"}}, "the pupil's id is missing"),
        ({"attendanceMark": link("AttendanceMark", "gone")}, "its mark is not in the school's list of marks"),
        ({"attendanceMark": "PRESENT"}, "its mark is not in the school's list of marks"),
        ({"recordDate": "10/09/2025"}, "a date cannot be read"),
        ({"recordDate": None}, "a date cannot be read"),
        ({"attendanceRollCall": link("AttendanceRollCall", "3")}, "neither the morning's nor the afternoon's"),
        ({"attendanceRollCall": None}, "neither the morning's nor the afternoon's"),
    ],
)
def test_a_record_that_cannot_be_read_says_why_and_is_kept_without_a_person(
    changed: dict[str, Any], reason: str
) -> None:
    bare = shape.bare_roll_call_record("9", record(**changed))
    page = read_page(PULL, [bare], lambda one: shape.mark(one, {}, {}), shape.BARE_FIELDS)
    (refusal,) = page.refused
    assert reason in refusal.reason
    assert refusal.record["id"] == "9"
    assert not any(word in json.dumps(refusal.record) for word in ("Remark", "nowhere", "elsewhere"))


@pytest.mark.parametrize(
    ("roll_call", "session"),
    [
        (link("AttendanceRollCall", "1", attendanceRegisterType={"isMorning": True, "isAfternoon": False}), "AM"),
        (link("AttendanceRollCall", "1", attendanceRegisterType={"isMorning": "false", "isAfternoon": "true"}), "PM"),
        (link("AttendanceRollCall", "1", code="AFTERNOON_ROLL_CALL"), "PM"),
        (link("AttendanceRollCall", "1", name="Morning"), "AM"),
        (link("AttendanceRollCall", "1", name="Campus"), None),
        (link("AttendanceRollCall", "1", attendanceRegisterType={"isMorning": True, "isAfternoon": True}), None),
        (None, None),
    ],
)
def test_a_roll_call_is_the_mornings_or_the_afternoons_by_its_type_or_its_name(roll_call: Any, session: Any) -> None:
    assert shape.session_of(roll_call) == session


@pytest.mark.parametrize(
    ("began", "day", "session", "period"),
    [
        ("2025-09-10 09:05:00", date(2025, 9, 10), "AM", "09:05"),
        ("2025-09-10 14:00:00", date(2025, 9, 10), "PM", "14:00"),
        ({"entityType": "date", "date": "2025-11-03 12:00:00"}, date(2025, 11, 3), "PM", "12:00"),
        ("2025-09-10T08:05:00+00:00", date(2025, 9, 10), "AM", "09:05"),
    ],
)
def test_rule_7_a_lessons_mark_has_its_beginning_for_a_period(began: Any, day: date, session: str, period: str) -> None:
    mark = lesson(began)
    assert mark is not None
    assert (mark["session_date"], mark["session"], mark["period"]) == (days(day), session, period)
    assert mark["record_id"] == "lesson:9", "the roll call has a record 9 of its own"
    assert "Remark" not in json.dumps(mark)


def test_a_lessons_mark_that_arbor_calls_redundant_is_not_said() -> None:
    assert lesson("2025-09-10 09:05:00", isRedundant=True) is None


def test_a_lesson_without_a_time_cannot_be_placed() -> None:
    with pytest.raises(ValueError, match=r"^a time cannot be read$"):
        lesson("soon")


# Rosters


def everything(**changed: list[Found]) -> dict[str, list[Found]]:
    """One student of one form; `changed` replaces kinds."""
    who = {"student": link("Student", "12", displayName="Forename-nowhere")}
    year = link("AcademicYear", "5", startDate="2025-09-01", endDate="2026-08-31")
    person = link("Person", "40", legalFirstName="Forename-nowhere", dateOfBirth=stamped("2013-10-01"))
    found: dict[str, list[Found]] = {kind: [] for kind in (*roster.KINDS, *timetable.KINDS)}
    found |= {
        "Student": [Found("12", {"person": person, "studentNumber": "0042"})],
        "EducationalInstitutionEnrolment": [Found("1", {**who, "entryDate": "2025-09-03", "leavingDate": None})],
        "AcademicLevel": [
            Found("7", {"academicLevelName": "Year 7", "curriculumGrade": link("CurriculumGrade", "Y7")})
        ],
        "AcademicLevelMembership": [Found("1", {**who, "academicLevel": link("AcademicLevel", "7")})],
        "RegistrationForm": [Found("3", {"registrationFormName": "7A", "academicYear": year})],
        "RegistrationFormMembership": [
            Found("1", {**who, "registrationForm": link("RegistrationForm", "3"), "startDate": "2025-09-03"})
        ],
        "UkDfe_UpnAssignment": [Found("1", {**who, "upn": "A801200001001", "endDatetime": None})],
        "AcademicYear": [Found("5", year)],
    }
    return {**found, **changed}


def one_pupil(**changed: list[Found]) -> dict[str, Any]:
    (pupil,) = roster.roster(PULL, everything(**changed), UpnKey(b"k" * 32, "k1"), TODAY)["pupils"]
    return dict(pupil)


def of_student(**properties: Any) -> Found:
    return Found("1", {"student": link("Student", "12"), **properties})


def test_a_roster_has_references_dates_and_groups_and_no_person() -> None:
    pupil = one_pupil()
    assert pupil["refs"][0] == {"scheme": "arbor", "ref": "12"}
    assert pupil["refs"][1] == {"scheme": "mis", "ref": "0042"}
    assert pupil["refs"][2]["scheme"].startswith("upn")
    (enrolment,) = pupil["enrolments"]
    assert (enrolment["first_day"], enrolment["last_day"]) == (days(date(2025, 9, 3)), None)
    assert (enrolment["year_group"], enrolment["status"]) == ("7", "main")
    assert pupil["groups"] == [{"group_id": "7A", "first_day": days(date(2025, 9, 3)), "last_day": None}]
    assert pupil["age_31_august"] == 11
    assert not any(word in json.dumps(pupil) for word in ("nowhere", "A801200001001", "2013"))


def test_the_year_group_is_the_national_curriculum_year_where_it_is_shown() -> None:
    assert one_pupil(CurriculumGrade=[Found("Y7", {"d00020": "R"})])["enrolments"][0]["year_group"] == "R"


def test_a_pupil_in_no_form_and_no_year_is_on_the_roster_all_the_same() -> None:
    pupil = one_pupil(AcademicLevelMembership=[], RegistrationFormMembership=[], UkDfe_UpnAssignment=[])
    assert (pupil["enrolments"][0]["year_group"], pupil["groups"], len(pupil["refs"])) == ("X", [], 2)


def test_a_pupil_who_left_and_came_back_has_two_enrolments() -> None:
    twice = [
        of_student(entryDate="2025-09-03", leavingDate=None),
        of_student(entryDate="2023-09-05", leavingDate="2024-07-19"),
    ]
    enrolments = one_pupil(EducationalInstitutionEnrolment=twice)["enrolments"]
    assert [one["first_day"] for one in enrolments] == [days(date(2023, 9, 5)), days(date(2025, 9, 3))]
    assert enrolments[0]["last_day"] == days(date(2024, 7, 19))


def test_a_move_to_another_form_is_two_memberships_with_their_dates() -> None:
    forms = [Found("3", {"registrationFormName": "7A"}), Found("4", {"shortName": "7B"})]
    moved = [
        of_student(registrationForm=link("RegistrationForm", "3"), startDate="2025-09-03", endDate="2025-10-31"),
        of_student(registrationForm=link("RegistrationForm", "4"), startDate="2025-11-01", endDate=None),
    ]
    groups = one_pupil(RegistrationForm=forms, RegistrationFormMembership=moved)["groups"]
    assert [(one["group_id"], one["last_day"]) for one in groups] == [("7A", days(date(2025, 10, 31))), ("7B", None)]


def test_the_upn_is_the_permanent_one_in_force() -> None:
    keyed = UpnKey(b"k" * 32, "k1")
    assigned = [
        of_student(upn="A801200001001", startDatetime="2018-09-01 00:00:00", endDatetime="2020-09-01 00:00:00"),
        of_student(upn="A306999925001", startDatetime="2020-09-01 00:00:00", endDatetime=None),
        of_student(upn="Z801200001002", startDatetime="2025-09-01 00:00:00", endDatetime=None, isTemporary=True),
    ]
    wanted = keyed.reference("A306999925001")
    assert one_pupil(UkDfe_UpnAssignment=assigned)["refs"][2] == {"scheme": wanted.scheme, "ref": wanted.ref}


def test_dual_registration_part_time_and_boarding_are_what_their_objects_say() -> None:
    enrolment = one_pupil(
        EnrolmentMode=[Found("SUB", {"d00018": "S"})],
        EnrolmentModeAssignment=[
            Found(
                "1",
                {
                    "academicYearEnrolment": {"href": "x", "student": link("Student", "12")},
                    "enrolmentMode": link("EnrolmentMode", "SUB"),
                },
            )
        ],
        AttendancePattern=[Found("P", {"isPartTime": True})],
        StudentAttendancePattern=[of_student(attendancePattern=link("AttendancePattern", "P"))],
        BoardingPattern=[of_student(mondayBoardingStatus=link("BoardingStatus", "B"), effectiveDate="2025-09-01")],
    )["enrolments"][0]
    assert (enrolment["status"], enrolment["part_time"], enrolment["boarder"]) == ("subsidiary", True, True)


# Register times and terms


def roll_call_time(object_id: str, roll_call: str = "1", **changed: Any) -> Found:
    properties = {
        "attendanceRollCall": link("AttendanceRollCall", roll_call),
        "effectiveDate": "2025-09-01",
        "endDate": None,
        "registerOpensTime": "08:40:00",
        "registerClosesTime": "09:10:00",
        **changed,
    }
    return Found(object_id, properties)


CALLS = [Found("1", {"name": "AM"}), Found("2", {"name": "PM"}), Found("3", {"name": "AM old", "active": False})]


def expected(**changed: list[Found]) -> list[dict[str, Any]] | None:
    made = timetable.registers(PULL, everything(**{"AttendanceRollCall": CALLS, **changed}))
    return None if made is None else list(made["registers"])


def test_register_times_follow_the_roll_call_in_force_while_the_form_is() -> None:
    """A new roll-call time begins where the one before ends: two registers, one after the other."""
    times = [
        roll_call_time("1", endDate="2025-10-31"),
        roll_call_time("2", effectiveDate="2025-11-01", registerOpensTime="08:30:00", registerClosesTime="08:45:00"),
        roll_call_time("3", roll_call="2", registerOpensTime="13:00:00", registerClosesTime="13:20:00"),
        roll_call_time("4", roll_call="3"),
    ]
    made = expected(AttendanceRollCallTime=times)
    assert made is not None
    assert [(one["group_id"], one["session"], one["opens_at"], one["closes_at"]) for one in made] == [
        ("7A", "AM", "08:40", "09:10"),
        ("7A", "AM", "08:30", "08:45"),
        ("7A", "PM", "13:00", "13:20"),
    ]
    assert [(one["valid_from"], one["valid_to"]) for one in made[:2]] == [
        (days(date(2025, 9, 1)), days(date(2025, 10, 31))),
        (days(date(2025, 11, 1)), days(date(2026, 8, 31))),
    ]


def test_a_time_of_certain_forms_goes_before_that_of_all() -> None:
    times = [roll_call_time("1"), roll_call_time("2", registerOpensTime="09:00:00", registerClosesTime="09:20:00")]
    only = {
        "attendanceRollCallTime": link("AttendanceRollCallTime", "2"),
        "studentGroup": link("RegistrationForm", "4"),
    }
    forms = [
        Found("3", {"registrationFormName": "7A"}),
        Found("4", {"registrationFormName": "NUR"}),
    ]
    made = expected(
        AttendanceRollCallTime=times, AttendanceRollCallTimeGroup=[Found("1", only)], RegistrationForm=forms
    )
    assert made is not None
    assert [(one["group_id"], one["opens_at"]) for one in made] == [("7A", "08:40"), ("NUR", "09:00")]


def test_no_timetable_is_said_where_nobody_can_tell_for_whom_a_time_is() -> None:
    only = {"attendanceRollCallTime": link("AttendanceRollCallTime", "1"), "studentGroup": link("AcademicLevel", "7")}
    groups = [Found("1", only)]
    assert expected(AttendanceRollCallTime=[roll_call_time("1")], AttendanceRollCallTimeGroup=groups) is None


def test_a_school_without_roll_call_times_has_no_timetable() -> None:
    assert expected() is None
    assert expected(AttendanceRollCallTime=[roll_call_time("1", registerClosesTime="late")]) is None


def test_a_calendar_is_the_terms_and_holidays_of_this_academic_year() -> None:
    terms = [
        Found(
            "1", {"academicYear": link("AcademicYear", "5"), "termName": "Autumn", **span("2025-09-03", "2025-12-19")}
        ),
        Found(
            "2", {"academicYear": link("AcademicYear", "4"), "termName": "Autumn", **span("2024-09-03", "2024-12-20")}
        ),
    ]
    holidays = [
        Found("1", {"holidayLabel": "Half term", **span("2025-10-27", "2025-10-31")}),
        Found("2", {"academicHolidayType": "INSET_DAY", **span("2025-09-03", "2025-09-03")}),
        Found("3", {"holidayLabel": "Half term", **span("2024-10-28", "2024-11-01")}),
    ]
    made = timetable.calendar(PULL, everything(Term=terms, AcademicHoliday=holidays), TODAY)
    assert made is not None
    assert (made["academic_year"], [one["name"] for one in made["terms"]]) == ("2025/26", ["Autumn"])
    assert [one["reason"] for one in made["closures"]] == ["inset", "half_term"]


def test_a_year_without_terms_has_no_calendar() -> None:
    assert timetable.calendar(PULL, everything(), TODAY) is None


def span(first: str, last: str) -> dict[str, Any]:
    return {"startDate": first, "endDate": stamped(last)}

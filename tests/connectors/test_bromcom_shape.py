"""Bromcom's records in our words: places, codes of one and two characters, weeks, times; and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.bromcom import shape
from connectors.bromcom.client import let_in
from connectors.bromcom.roster import pupil as pupil_of
from connectors.encoding import days, milliseconds
from connectors.pupils import UpnKey
from rollcall.errors import ConfigError
from tests.connectors.bromcom import attendance, pupil

MONDAY = date(2025, 9, 8)
KEY = UpnKey(b"a key that is only used in tests", "k1")


def lower(record: dict[str, Any]) -> dict[str, Any]:
    """A record as the client gives it."""
    return {name.lower(): value for name, value in record.items()}


def row(**cells: str) -> dict[str, Any]:
    return {"studentid": 7001, "startdate": "2025-09-08T00:00:00", **cells}


def test_an_attendance_is_a_record_named_by_its_place() -> None:
    assert shape.attendance(lower(attendance(7001, "2025-09-10", minute=7, mark="L"))) == {
        "record_id": "7001:2025-09-10:AM",
        "pupil_ref": "7001",
        "pupil_scheme": "bromcom",
        "session_date": days(date(2025, 9, 10)),
        "session": "AM",
        "period": None,
        "code": "L",
        "minutes_late": 7,
        "modified_at": milliseconds(datetime(2025, 9, 10, 7, 40, tzinfo=UTC)),
    }


def test_the_marks_of_a_week_are_the_records_that_attendances_tell_of() -> None:
    found = shape.week(row(monam="/", monpm="\\", wedam="Y1", fripm="C2"), MONDAY)
    assert [(mark["record_id"], mark["code"]) for mark in found] == [
        ("7001:2025-09-08:AM", "/"),
        ("7001:2025-09-08:PM", "\\"),
        ("7001:2025-09-10:AM", "Y1"),
        ("7001:2025-09-12:PM", "C2"),
    ]
    told = shape.attendance(lower(attendance(7001, "2025-09-10", mark="Y", markSubcode="1")))
    same = found[2]
    assert {**told, "minutes_late": None, "modified_at": None} == same


def test_rule_3_a_blank_of_a_week_is_no_mark() -> None:
    assert shape.week(row(monam="", monpm="  ", tueam="/ "), MONDAY)[0]["session_date"] == days(date(2025, 9, 9))
    assert shape.week(row(), MONDAY) == []


def test_a_row_of_a_week_without_its_first_day_is_of_the_week_that_was_asked_for() -> None:
    (mark,) = shape.week({"studentid": 7001, "thupm": "N"}, MONDAY)
    assert (mark["session_date"], mark["session"]) == (days(date(2025, 9, 11)), "PM")


@pytest.mark.parametrize(
    ("mark", "subcode", "code"),
    [
        ("/", None, "/"),
        ("/", "", "/"),
        ("Y", "1", "Y1"),
        ("Y1", "1", "Y1"),
        ("Y", "Y1", "Y1"),
        (" C ", " 2 ", "C2"),
        ("J1", None, "J1"),
        ("C", "C", "CC"),
        (None, None, ""),
        ("no map knows me", None, "no map knows me"),
    ],
)
def test_a_mark_and_its_subcode_are_one_code(mark: Any, subcode: Any, code: str) -> None:
    assert shape.code(mark, subcode) == code


def test_rule_7_what_is_neither_am_nor_pm_is_a_lesson() -> None:
    lesson = shape.attendance(lower(attendance(7001, "2025-09-10", "P4", calendarStartDate="2025-09-10T12:05:00")))
    assert (lesson["session"], lesson["period"], lesson["record_id"]) == ("PM", "P4", "7001:2025-09-10:P4")
    basic = {"studentid": 7001, "calendarstartdate": "2025-09-10T12:05:00", "mark": "/", "perioddisplayname": "P4   "}
    found = shape.lesson(basic)
    assert found is not None
    assert found["record_id"] == lesson["record_id"]
    assert (found["minutes_late"], found["modified_at"]) == (None, None)
    assert shape.lesson({**basic, "perioddisplayname": "AM"}) is None
    assert shape.lesson({**basic, "perioddisplayname": None}) is None


@pytest.mark.parametrize(
    ("recorded", "instant"),
    [
        ("2025-09-10T08:40:00", datetime(2025, 9, 10, 7, 40, tzinfo=UTC)),
        ("2025-11-05T08:40:00.123", datetime(2025, 11, 5, 8, 40, 0, 123_000, tzinfo=UTC)),
        ("2025-10-26T01:30:00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        ("2025-09-10T07:40:00Z", datetime(2025, 9, 10, 7, 40, tzinfo=UTC)),
    ],
)
def test_rule_8_a_time_without_offset_is_the_schools(recorded: str, instant: datetime) -> None:
    mark = shape.attendance(lower(attendance(7001, "2025-09-10", recordedOn=recorded)))
    assert mark["modified_at"] == milliseconds(instant)


def test_a_record_that_says_of_no_time_has_none() -> None:
    assert shape.attendance(lower(attendance(7001, "2025-09-10", recordedOn=None)))["modified_at"] is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"studentID": None}, "pupil"),
        ({"calendarName": " "}, "session"),
        ({"calendarStartDate": "10/09/2025"}, "day"),
        ({"calendarStartDate": None}, "day"),
        ({"recordedOn": "yesterday"}, "recorded"),
        ({"calendarName": "P1", "calendarStartDate": "2025-09-10 08:45 or so"}, "beginning"),
    ],
)
def test_what_cannot_be_read_is_refused_without_quoting_it(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        shape.attendance(lower(attendance(7001, "2025-09-10", **changed)))
    assert not any(str(value) in str(error.value) for value in changed.values() if value and str(value).strip())


def test_a_row_of_another_week_is_refused() -> None:
    with pytest.raises(ValueError, match="another week"):
        shape.week(row(monam="/"), MONDAY + timedelta(days=7))


def test_a_pupil_is_on_roll_as_the_view_says() -> None:
    listed = pupil_of(
        lower(pupil(7001, enrolmentEndDate="2025-12-19T00:00:00", enrolmentStateName="S", dualRegisteredWith="x")), KEY
    )
    (enrolled,) = listed.enrolments
    assert (enrolled.first_day, enrolled.last_day) == (date(2024, 9, 3), date(2025, 12, 19))
    assert (enrolled.status, enrolled.year_group, enrolled.boarder, enrolled.part_time) == (
        "subsidiary",
        "7",
        False,
        False,
    )
    assert [group.group_id for group in listed.groups] == ["7A"]
    assert [ref.scheme for ref in listed.refs] == ["bromcom"]


def test_a_pupil_without_a_tutor_group_is_in_none_and_a_boarder_is_one() -> None:
    listed = pupil_of(
        lower(pupil(7001, tutorGroupName="NoTutorGrp", boarderStatusCode="7", attendanceModeDescription="Part Time")),
        KEY,
    )
    assert not listed.groups
    assert (listed.enrolments[0].boarder, listed.enrolments[0].part_time) == (True, True)


@pytest.mark.parametrize("secret", ["", "application", ":secret-1", "application:"])
def test_a_secret_that_is_none_is_named_and_not_told(secret: str) -> None:
    with pytest.raises(ConfigError, match="applicationId:applicationSecret") as error:
        let_in(secret)
    assert "secret-1" not in str(error.value)


def test_the_secret_goes_in_headers_or_where_it_must_in_the_query() -> None:
    assert let_in("a:b:c").headers == {"ApplicationId": "a", "ApplicationSecret": "b:c"}
    assert let_in("a:b", "query").params == {"applicationId": "a", "applicationSecret": "b"}
    assert "b" not in repr(let_in("a:b", "query"))[len("LetIn(") :]
    with pytest.raises(ConfigError, match="headers"):
        let_in("a:b", "body")

"""Wonde's records in our words: days, instants, marks, lessons, deletions, the roster."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors import records
from connectors.contract import Pull, Source
from connectors.encoding import days
from connectors.pupils import UpnKey
from connectors.wonde import shape
from connectors.wonde.roster import Listed, roster
from tests.connectors.mis import local_day, mark, student

CODES = {"C/": "/", "CX9": "X9"}
TODAY = date(2025, 9, 10)
PULL = Pull("p", Source("A1", 100_001), datetime(2025, 9, 10, 8, 30, tzinfo=UTC))


def stamp(written: str, zone: str = "UTC") -> dict[str, Any]:
    return {"date": written, "timezone_type": 3, "timezone": zone}


@pytest.mark.parametrize("day", ["2025-09-10", "2025-11-03", "2025-03-30", "2025-10-26"])
def test_rule_8_midnight_in_london_is_the_day_it_says(day: str) -> None:
    """In summer time that midnight is 23:00 UTC of the day before, and still the day it says."""
    assert shape.day_said(local_day(day)) == date.fromisoformat(day)


def test_a_day_is_read_in_its_own_zone_and_never_shifted() -> None:
    assert shape.day_said(stamp("2025-09-09 23:00:00.000000", "UTC")) == date(2025, 9, 9)


@pytest.mark.parametrize(
    ("written", "zone", "instant"),
    [
        ("2025-09-10 09:15:00.000000", "Europe/London", "2025-09-10T08:15:00+00:00"),
        ("2025-11-03 09:15:00.000000", "Europe/London", "2025-11-03T09:15:00+00:00"),
        ("2025-10-26 01:30:00.000000", "Europe/London", "2025-10-26T00:30:00+00:00"),
        ("2025-09-10 09:15:00.000000", "UTC", "2025-09-10T09:15:00+00:00"),
        ("2025-09-10 09:15:00.000000", "BST", "2025-09-10T08:15:00+00:00"),
        ("2025-09-10 09:15:00.000000", "+01:00", "2025-09-10T08:15:00+00:00"),
    ],
)
def test_an_instant_is_read_with_its_zone(written: str, zone: str, instant: str) -> None:
    assert shape.instant(stamp(written, zone)).isoformat() == instant


@pytest.mark.parametrize("broken", [None, "2025-09-10", {}, {"date": None}, stamp("yesterday"), stamp("2025-13-01")])
def test_a_date_that_is_none_is_refused_without_quoting_it(broken: Any) -> None:
    with pytest.raises(ValueError, match=r"^a date cannot be read$"):
        shape.day_said(broken)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "+99", "../../etc/passwd"])
def test_an_unknown_zone_makes_a_time_unreadable(zone: str) -> None:
    with pytest.raises(ValueError, match=r"^a time cannot be read$"):
        shape.instant(stamp("2025-09-10 09:15:00", zone))


def test_a_mark_takes_its_display_code_and_nothing_else() -> None:
    said = shape.mark(mark(1, attendance_code="CX9", minutes_late="12"), CODES)
    assert said["code"] == "X9"
    assert said["minutes_late"] == 12
    assert (said["pupil_scheme"], said["pupil_ref"], said["modified_at"]) == ("wonde", "A100001", None)
    assert "Remark" not in json.dumps(said)


@pytest.mark.parametrize("minutes", [None, "", "null", -5, 100_000, True, "soon"])
def test_minutes_that_are_none_are_not_given(minutes: Any) -> None:
    assert shape.mark(mark(1, minutes_late=minutes), CODES)["minutes_late"] is None


def test_rule_6_a_modified_time_is_taken_where_it_is_shown() -> None:
    said = shape.mark(mark(1, updated_at=stamp("2025-09-10 09:15:00.250000")), CODES)
    assert said["modified_at"] == int(datetime(2025, 9, 10, 9, 15, 0, 250_000, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"id": None}, "the record's id is missing"),
        ({"student": ""}, "the pupil's id is missing"),
        ({"session": None}, "the session is missing"),
        ({"attendance_code": None}, "the code's id is missing"),
        ({"attendance_code": "C-of-another-school"}, "its code is not in the school's list of codes"),
        ({"date": "10/09/2025"}, "a date cannot be read"),
        ({"updated_at": stamp("?")}, "a time cannot be read"),
    ],
)
def test_a_record_that_cannot_be_read_says_why_and_not_what(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        shape.mark(mark(1, **changed), CODES)


def test_a_session_that_is_neither_goes_on_for_the_worker_to_judge() -> None:
    assert shape.mark(mark(1, session="eve"), CODES)["session"] == "EVE"


def test_rule_7_a_lesson_mark_has_its_period_by_id_or_included() -> None:
    by_id = shape.mark(mark(1, session="PM", period="A83", lesson="A6"), CODES, {"A83": "P5"})
    assert (by_id["session"], by_id["period"]) == ("PM", "P5")
    lesson = {
        "data": {
            "id": "A6",
            "start_at": stamp("2025-09-10 14:00:00", "Europe/London"),
            "period": {"data": {"id": "A83", "name": "P5"}},
        }
    }
    record = {name: value for name, value in mark(1, lesson=lesson).items() if name not in ("date", "session")}
    assert shape.mark(record, CODES, {}) == by_id
    with pytest.raises(ValueError, match="list of periods"):
        shape.mark(mark(1, period="A99"), CODES, {"A83": "P5"})
    with pytest.raises(ValueError, match="the lesson is not included"):
        shape.mark(mark(1, lesson="A6"), CODES, {})


def test_only_deletions_of_marks_are_ours() -> None:
    assert shape.deletion({"id": "A9", "type": "attendance/session"}) == "A9"
    assert shape.deletion({"id": "A9", "type": "attendance_lesson"}) == "A9"
    assert shape.deletion({"id": "A9", "type": "behaviour"}) is None


def test_a_refused_record_is_kept_without_comment_and_names() -> None:
    kept = records.kept({**mark(1), "forename": "x", "notes": "y"}, shape.KEPT_FIELDS)
    assert "Remark" not in json.dumps(kept)
    assert kept.keys() == {"id", "student", "employee", "session", "date", "attendance_code"}


def one_pupil(*listed: Listed) -> dict[str, Any]:
    (pupil,) = roster(PULL, listed, UpnKey(b"a key that is only used in tests", "k1"), TODAY)["pupils"]
    return dict(pupil)


def test_a_roster_has_references_dates_and_groups_and_no_person() -> None:
    record = roster(PULL, [Listed(student(2, upn="A801200001001")), Listed(student(1))], UpnKey(b"k" * 32, "k1"), TODAY)
    assert [pupil["refs"][0] for pupil in record["pupils"]] == [
        {"scheme": "wonde", "ref": "A100001"},
        {"scheme": "wonde", "ref": "A100002"},
    ]
    assert [ref["scheme"] for ref in record["pupils"][1]["refs"]][:2] == ["wonde", "mis"]
    assert record["pupils"][1]["refs"][2]["scheme"].startswith("upn")
    assert [group["group_id"] for group in record["pupils"][0]["groups"]] == ["7A"]
    said = json.dumps(record)
    assert not any(word in said for word in ("nowhere", "A801200001001", "2013"))


@pytest.mark.parametrize(
    ("born", "today", "age"),
    [
        ("2013-08-31", date(2025, 9, 10), 12),
        ("2013-09-01", date(2025, 9, 10), 11),
        ("2013-09-01", date(2026, 8, 30), 11),
        ("2013-09-01", date(2026, 9, 1), 12),
    ],
)
def test_age_is_that_of_31_august_before_the_academic_year(born: str, today: date, age: int) -> None:
    record = roster(PULL, [Listed({**student(1), "date_of_birth": local_day(born)})], UpnKey(b"k" * 32, "k1"), today)
    assert record["pupils"][0]["age_31_august"] == age


@pytest.mark.parametrize(
    ("year", "age", "group"), [("7", 11, "7"), ("R", 4, "R"), ("0", 4, "R"), ("N2", 3, "N2"), (None, 0, "X")]
)
def test_no_pupil_is_left_out_for_a_missing_field(year: str | None, age: int, group: str) -> None:
    bare = {"id": "A1", "education_details": {"data": {"current_nc_year": year}}}
    pupil = one_pupil(Listed(bare))
    assert pupil["refs"] == [{"scheme": "wonde", "ref": "A1"}]
    assert pupil["age_31_august"] == age
    (enrolment,) = pupil["enrolments"]
    assert enrolment["first_day"] == days(date(2025, 9, 1))
    assert (enrolment["year_group"], enrolment["status"], enrolment["last_day"]) == (group, "main", None)


def test_a_leaver_who_came_back_is_one_pupil_with_two_enrolments() -> None:
    before = student(1, admission_date=local_day("2023-09-05"), leaving_date=local_day("2024-07-19"))
    pupil = one_pupil(Listed(student(1)), Listed(before))
    assert [one["first_day"] for one in pupil["enrolments"]] == [
        days(date(2023, 9, 5)),
        days(date(2024, 9, 3)),
    ]
    assert pupil["enrolments"][0]["last_day"] == days(date(2024, 7, 19))


def test_before_admission_is_what_the_list_says() -> None:
    assert one_pupil(Listed(student(1), "pre-admission"))["enrolments"][0]["status"] == "pre-admission"


@pytest.mark.parametrize(
    ("said", "status"), [("C", "main"), ("M", "main"), ("S", "subsidiary"), ("G", "guest"), (None, "main")]
)
def test_the_enrolment_status_is_that_of_the_census(said: str | None, status: str) -> None:
    pupil = one_pupil(Listed({**student(1), "extended_details": {"data": {"enrolment_status": said}}}))
    assert pupil["enrolments"][0]["status"] == status


def test_a_summary_has_counts_by_code_whatever_its_sums_are() -> None:
    counts = {"/": 12, "\\": "11", "N": None, "L": "null", "#": 3}
    record = {
        "student": "A1",
        "possible_marks": "None",
        "attendance_codes": counts,
        "updated_at": stamp("2025-09-10 18:00:00"),
    }
    read = shape.summary(record)
    assert (read.pupil, read.codes) == (("wonde", "A1"), {"/": 12, "\\": 11, "#": 3})
    assert read.updated_at == datetime(2025, 9, 10, 18, tzinfo=UTC)
    assert shape.summary({**record, "updated_at": None}).updated_at is None


@pytest.mark.parametrize("wrong", [{"attendance_codes": None}, {"attendance_codes": {"/": -1}}, {"student": ""}])
def test_a_summary_that_cannot_be_read_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"counts|count|pupil"):
        shape.summary({"student": "A1", "attendance_codes": {"/": 1}, **wrong})

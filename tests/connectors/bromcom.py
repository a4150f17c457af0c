"""A Bromcom over real HTTP for tests: entities with filters and pages, and the week's rows made of the same marks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from tests.connectors.server import Answer, FakeServer

__all__ = ["APPLICATION", "SECRET", "FakeBromcom", "attendance", "pupil", "school"]

APPLICATION, SECRET = "application-1", "secret-nobody-may-see"
_PAGE = re.compile(r"\{page:(\d+)\}$")
_CONDITION = re.compile(r"(\w+)\s*(<=|>=|=)\s*'?([^']*)'?")


class FakeBromcom(FakeServer):
    """One school, 4711. `held`: entity to records, as Bromcom writes them; what begins with `_` is not served.

    `weeks`: (pupil, day, session) to what the week's row shows there, in place of what `Attendances` hold.
    """

    def __init__(self, per_page: int = 2) -> None:
        super().__init__()
        self.per_page = per_page
        self.held: dict[str, list[dict[str, Any]]] = {"Attendances": [], "BasicAttendance": [], "StudentFlatView": []}
        self.weeks: dict[tuple[int, date, str], str] = {}
        self.repeat_at_boundaries = False
        self.turns_pages = True

    def path_of(self, path: str) -> str:
        return path.removeprefix("/v2/")

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        in_headers = headers.get("ApplicationId"), headers.get("ApplicationSecret")
        in_query = query.get("applicationId"), query.get("applicationSecret")
        if (APPLICATION, SECRET) not in (in_headers, in_query):
            return Answer(401)
        if query.get("schoolId") != "4711" or not (path in self.held or path == "StudentAttendanceByWeek"):
            return Answer(404)
        asked = query["entityFilter"]
        turned = _PAGE.search(asked)
        if turned is None:
            return Answer(400)
        records = self._weeks_of(asked) if path == "StudentAttendanceByWeek" else self.held[path]
        found = [record for record in records if _fits(record, asked[: turned.start()])]
        start = int(turned[1]) * self.per_page if self.turns_pages else 0
        first = start - 1 if 0 < start <= len(found) and self.repeat_at_boundaries else start
        data = [
            {name: value for name, value in record.items() if not name.startswith("_")}
            for record in found[first : start + self.per_page]
        ]
        return Answer(body=json.dumps({"success": True, "data": data}).encode())

    def _weeks_of(self, asked: str) -> list[dict[str, Any]]:
        """The rows of all weeks, each with its Monday and Sunday, for the filter to choose from."""
        shown = {
            (one["studentID"], date.fromisoformat(one["calendarStartDate"][:10]), one["calendarName"].strip()): (
                f"{one['mark']}{one.get('markSubcode') or ''}"
            )
            for one in self.held["Attendances"]
        } | self.weeks
        rows: dict[tuple[date, int], dict[str, Any]] = {}
        for (student, day, session), mark in sorted(shown.items()):
            if day.weekday() > 4 or session not in ("AM", "PM"):
                continue
            monday = day - timedelta(days=day.weekday())
            names = {f"{name}{half}": "" for name in ("mon", "tue", "wed", "thu", "fri") for half in ("AM", "PM")}
            row = rows.setdefault(
                (monday, student),
                {
                    "studentId": student,
                    "startDate": f"{monday}T00:00:00",
                    "endDate": f"{monday + timedelta(days=6)}T23:59:59",
                    **names,
                },
            )
            row[f"{('mon', 'tue', 'wed', 'thu', 'fri')[day.weekday()]}{session}"] = mark
        return list(rows.values())


def attendance(student: int, day: str, session: str = "AM", mark: str = "/", **changed: Any) -> dict[str, Any]:
    """A record of `Attendances`, recorded at twenty to nine of its day."""
    return {
        "attendanceID": 900_000 + student,
        "studentID": student,
        "calendarStartDate": f"{day}T{'08:45:00' if session == 'AM' else '13:00:00'}",
        "calendarEndDate": f"{day}T{'09:00:00' if session == 'AM' else '13:10:00'}",
        "calendarName": f"{session}             ",
        "calendarModelID": 7,
        "mark": mark,
        "markSubcode": None,
        "markMeaningName": "Present",
        "exportMark": mark,
        "minute": 0,
        "attendanceComment": "Remark that goes no further",
        "attendanceCommentInstant": None,
        "recordedBy": 12,
        "recordedOn": f"{day}T08:40:00",
        "collectionID": 3,
        "locationID": 4,
        **changed,
    }


def pupil(student: int, **changed: Any) -> dict[str, Any]:
    """A row of `StudentFlatView`."""
    return {
        "studentId": student,
        "upn": None,
        "preferredFirstName": "Forename-nowhere",
        "lastName": "Surname-nowhere",
        "dateOfBirth": "2013-10-01T00:00:00",
        "studentEmail": "nobody@nowhere.invalid",
        "contact1Name": "Parent-nowhere",
        "dualRegisteredWith": None,
        "enrolmentStateName": "C",
        "enrolmentStartDate": "2024-09-03T00:00:00",
        "enrolmentEndDate": None,
        "yearGroup": "7",
        "tutorGroupName": "7A        ",
        "boarderStatusCode": "N",
        "attendanceModeDescription": "Full time",
        **changed,
    }


def school(number: int, urn: Any) -> dict[str, Any]:
    """A row of `Schools`: the first is the school itself."""
    return {
        "schoolID": number,
        "schoolName": "A school",
        "uniqueReferenceNumber": urn,
        "headTeacherName": "Head-nowhere",
    }


def _fits(record: Mapping[str, Any], asked: str) -> bool:
    """Whether a record fits a filter: conditions joined by `and`; of one in brackets, alternatives joined by `or`."""
    fields = {name.lower(): value for name, value in record.items()}
    for part in re.split(r"\s+and\s+(?![^(]*\))", asked):
        if part and not any(_holds(fields, one) for one in part.strip("()").split(" or ")):
            return False
    return True


def _holds(fields: Mapping[str, Any], condition: str) -> bool:
    if condition.startswith("isnull("):
        return not fields.get(condition.removeprefix("isnull(").split(",")[0].lower())
    match = _CONDITION.fullmatch(condition.strip())
    assert match is not None, f"the fake server does not understand {condition}"
    value = fields.get(match[1].lower())
    if value is None:
        return False
    return {"<=": str(value) <= match[3], ">=": str(value) >= match[3], "=": str(value) == match[3]}[match[2]]


def local(instant: datetime) -> str:
    """An instant as Bromcom writes it: London's time, without an offset."""
    from rollcall.domain.clock import LONDON

    return f"{instant.astimezone(LONDON):%Y-%m-%dT%H:%M:%S}"

"""A tiny Arbor over real HTTP: lists of links, objects, a change log by revision; what a test puts in is served."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from connectors.arbor.client import path_of
from tests.connectors.server import Answer, FakeServer

__all__ = ["RECORDS", "SECRET", "FakeArbor", "Link"]

SECRET = "app-user:a password that is only used in tests"
#: The kind that holds the statutory marks, and its list's path.
RECORD, RECORDS = "AttendanceRollCallRecord", "attendance-roll-call-records"


class Link(NamedTuple):
    """What an object holds of another one."""

    kind: str
    id: str


class FakeArbor(FakeServer):
    """`held[kind][id]` are properties of an object; a `Link` among them is shown with its own, one level deep.

    `hold` and `drop` count revisions and write the change log. pages_from: whether pages count from 0 or 1; None: the
    server does not page at all. application: what must come as x-mis-application-id, if anything.
    """

    def __init__(self, per_page: int = 2, application: str | None = None) -> None:
        super().__init__()
        self.per_page = per_page
        self.pages_from: int | None = 0
        self.application = application
        self.held: dict[str, dict[str, dict[str, Any]]] = {}
        self.log: dict[str, list[dict[str, Any]]] = {}
        self.revision = 1000
        #: Objects show the revision of their last change.
        self.shows_revisions = True
        #: A page begins again with the record that the one before ended with.
        self.repeat_at_boundaries = False
        #: The page of records (from 0) that is cut off.
        self.broken_page: int | None = None
        #: Called with the path before an object is served: what a test does between a list and a fetch.
        self.before_object: list[Any] = []

    def hold(self, kind: str, object_id: str, **properties: Any) -> None:
        """From now on there is this object, or it is changed to this."""
        change = "update" if object_id in self.held.setdefault(kind, {}) else "create"
        self._log(kind, object_id, change)
        self.held[kind][object_id] = {**properties, "revisionId": self.revision}

    def drop(self, kind: str, object_id: str) -> None:
        """From now on there is no such object."""
        del self.held[kind][object_id]
        self._log(kind, object_id, "delete")

    def _log(self, kind: str, object_id: str, change: str) -> None:
        self.revision += 1
        entry = {
            "changedObject": self._link(Link(kind, object_id)),
            "changeType": change,
            "fromRevision": self.revision - 1,
            "toRevision": self.revision,
        }
        self.log.setdefault(kind, []).append(entry)

    def path_of(self, path: str) -> str:
        return path.removeprefix("/rest-v2/")

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        wanted = "Basic " + base64.b64encode(SECRET.encode()).decode()
        if headers.get("Authorization") != wanted:
            return Answer(401)
        if self.application is not None and headers.get("x-mis-application-id") != self.application:
            return Answer(403)
        resource, _, rest = path.partition("/")
        kind = next((one for one in self.held if path_of(one) == resource), None)
        if kind is None:
            return Answer(404)
        if rest == "changelog":
            after = int(query["from-revision"])
            return _json({"changes": [one for one in self.log.get(kind, []) if one["toRevision"] >= after]})
        if rest:
            while self.before_object:
                self.before_object.pop()()
            if rest not in self.held[kind]:
                return Answer(404)
            return _json({kind[:1].lower() + kind[1:]: self._shown(kind, rest, 1)})
        return self._list(kind, query)

    def _list(self, kind: str, query: dict[str, str]) -> Answer:
        root = f"{kind[:1].lower()}{kind[1:]}s"
        ids = [one for one, properties in self.held[kind].items() if _passes(properties, query)]
        page = int(query.get("page-number", self.pages_from or 0)) - (self.pages_from or 0)
        if self.pages_from is not None:
            start = page * self.per_page
            first = start - 1 if start and self.repeat_at_boundaries else start
            ids = ids[first : start + self.per_page] if start < len(ids) else []
        answer = _json({"response": {"code": 200}, root: [self._link(Link(kind, one)) for one in ids]})
        is_broken = kind == RECORD and page == self.broken_page and "page-number" in query
        return answer._replace(body=answer.body[:40]) if is_broken else answer

    def _shown(self, kind: str, object_id: str, levels: int) -> dict[str, Any]:
        properties = dict(self.held[kind][object_id])
        if not self.shows_revisions:
            properties.pop("revisionId")
        for name, value in properties.items():
            if isinstance(value, Link):
                there = levels and value.id in self.held.get(value.kind, {})
                properties[name] = self._shown(*value, levels - 1) if there else self._link(value)
        return {**self._link(Link(kind, object_id)), "displayName": f"{kind}-nowhere", **properties, "userTags": []}

    @staticmethod
    def _link(link: Link) -> dict[str, Any]:
        return {"entityType": link.kind, "href": f"/rest-v2/{path_of(link.kind)}/{link.id}"}


def _passes(properties: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    for place, value in query.items():
        match place.split("."):
            case ["filters", name, "after"] if not str(properties[name]) > value:
                return False
            case ["filters", name, "before"] if not str(properties[name]) < value:
                return False
    return True


def _json(body: Any) -> Answer:
    return Answer(body=json.dumps(body).encode())


def school(mis: FakeArbor, upn: str | None = None) -> None:
    """What a school holds besides marks: marks' codes, roll calls and their times, a year, one form and one student."""
    mis.hold("AttendanceRegisterType", "AM", isMorning=True, isAfternoon=False)
    mis.hold("AttendanceRegisterType", "PM", isMorning=False, isAfternoon=True)
    for roll_call, session, opens, closes in (("1", "AM", "08:40", "09:10"), ("2", "PM", "13:00", "13:20")):
        kind = Link("AttendanceRegisterType", session)
        mis.hold(
            "AttendanceRollCall", roll_call, name=f"Roll call {roll_call}", attendanceRegisterType=kind, active=True
        )
        mis.hold(
            "AttendanceRollCallTime",
            roll_call,
            attendanceRollCall=Link("AttendanceRollCall", roll_call),
            effectiveDate="2025-09-01",
            endDate=None,
            registerOpensTime=f"{opens}:00",
            registerClosesTime=f"{closes}:00",
            rollCallPeriodEndTime="12:00:00",
        )
    mis.hold("AcademicYear", "5", academicYearName="2025/2026", startDate="2025-09-01", endDate="2026-08-31")
    mis.hold("AcademicLevel", "7", academicLevelName="Year 7", academicYear=Link("AcademicYear", "5"))
    mis.hold("RegistrationForm", "3", registrationFormName="7A", academicYear=Link("AcademicYear", "5"))
    mis.held["RegistrationFormMembership"], mis.held["AcademicLevelMembership"] = {}, {}
    mis.held["EducationalInstitutionEnrolment"], mis.held["UkDfe_UpnAssignment"] = {}, {}
    mis.held["Student"], mis.held[RECORD], mis.held["AttendanceRecord"] = {}, {}, {}
    mis.held["AttendanceMark"] = {}
    student(mis, "12", upn)


def student(mis: FakeArbor, student_id: str, upn: str | None = None) -> None:
    """A student on roll since September, in 7A."""
    mis.hold(
        "Person",
        student_id,
        legalFirstName="Forename-nowhere",
        legalLastName="Surname-nowhere",
        dateOfBirth={"entityType": "date", "date": "2013-10-01 00:00:00"},
    )
    mis.hold("Student", student_id, person=Link("Person", student_id), studentNumber=f"N{student_id}")
    who = {"student": Link("Student", student_id)}
    mis.hold("EducationalInstitutionEnrolment", student_id, **who, entryDate="2025-09-03", leavingDate=None)
    mis.hold(
        "AcademicLevelMembership",
        student_id,
        **who,
        academicLevel=Link("AcademicLevel", "7"),
        startDate="2025-09-01",
        endDate="2026-08-31",
    )
    mis.hold(
        "RegistrationFormMembership",
        student_id,
        **who,
        registrationForm=Link("RegistrationForm", "3"),
        startDate="2025-09-03",
        endDate="2026-07-31",
    )
    if upn is not None:
        mis.hold(
            "UkDfe_UpnAssignment", student_id, **who, upn=upn, startDatetime="2018-09-01 00:00:00", endDatetime=None
        )


def roll_call_record(mis: FakeArbor, record: str, day: str, session: str, code: str | None, **changed: Any) -> None:
    """A statutory mark of student 12; marks have the ids 'M' and their code's character numbers."""
    mark = None
    if code is not None:
        mark = Link("AttendanceMark", "M" + "-".join(str(ord(letter)) for letter in code))
        if mark.id not in mis.held["AttendanceMark"]:
            mis.hold(*mark, code=f"NAME_{mark.id}", attendanceMark=code, isLegalPresent=code == "/")
    properties = {
        "attendanceRollCall": Link("AttendanceRollCall", {"AM": "1", "PM": "2"}[session]),
        "recordDate": day,
        "student": Link("Student", "12"),
        "attendanceMark": mark,
        "minutesLate": None,
        "validationError": "Remark that goes no further",
    }
    mis.hold(RECORD, record, **{**properties, **changed})

"""The MIS of pulled schools in the shape of Bromcom's Partner API, on loopback.

    GET /v2/{Entity}?schoolId=&entityFilter=...{page:n}    {"success": true, "data": [...]}; behind the last page none
        Attendances                a mark each: `mark` and `markSubcode`, `calendarName` padded, `recordedOn` to the
                                   second, in London's time
        StudentAttendanceByWeek    ten marks a row, blank where there is none
        BasicAttendance            nothing: the estate's schools of this make mark no lessons
        StudentFlatView            pupils, with a time on roll each
        Schools                    the school, and its URN

Let in by the headers ApplicationId and ApplicationSecret, `estate` and the token where it has no colon. Filters are
conditions joined by `and`. A record that is gone is nowhere any more, and nothing says so (rule 18); its place may be
filled again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from connectors.estate.pupils import BOARDER, PART_TIME, PRE_ADMISSION, year_name
from connectors.estate.server import Answer, EstateServer
from rollcall.domain.clock import LONDON

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PulledRecord
    from connectors.estate.schools import School

__all__ = ["BromcomServer"]

_PAGE = re.compile(r"\{page:(\d+)\}$")
_CONDITION = re.compile(r"(?P<field>[A-Za-z]+)(?P<operator><=|>=|=)'?(?P<value>[^']*)'?")
_NULL = re.compile(r"isnull\((?P<field>[A-Za-z]+),''\)=''")
_PAGE_SIZE = 500
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
_BEGINS = {"AM": "08:45:00", "PM": "13:15:00"}
#: Codes that Bromcom shows as a mark and a subcode.
_SUBCODED = re.compile(r"[A-Z][0-9]")


class BromcomServer(EstateServer):
    """Bromcom's shape over the estate's schools that are pulled from it."""

    make = "bromcom"
    asked_whole = True

    def __init__(self, estate: Estate, host: str, port: int, token: str) -> None:
        super().__init__(estate, host, port, token if ":" in token else f"estate:{token}")
        #: How a record is shown, by its number, with its state then: a listing is asked for page by page, and each page
        #: is cut from all of it.
        self._shown: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    @property
    def base_url(self) -> str:
        """http://host:port; a client puts the version behind it."""
        return self.origin

    def credential(self, headers: Mapping[str, str]) -> str:
        """The two headers, as a secret is written."""
        return f"{headers.get('applicationid')}:{headers.get('applicationsecret')}"

    def answer(self, path: str, query: dict[str, str], authorization: str) -> Answer:
        """What a request is answered. `path` begins with /v2."""
        if authorization != self.token:
            return 401, {}, {"success": False}
        school = self.schools.get(query.get("schoolId", ""))
        trouble = self.trouble(query.get("schoolId"))
        if trouble is not None:
            return trouble
        asked = query.get("entityFilter", "")
        page = _PAGE.search(asked)
        if page is None:
            raise ValueError("entityFilter asks for no page")
        conditions = _conditions(asked[: page.start()])
        entity = path.removeprefix("/v2/")
        listing = {
            "Attendances": self._attendances,
            "StudentAttendanceByWeek": self._weeks,
            "BasicAttendance": lambda *_: [],
            "StudentFlatView": self._pupils,
            "Schools": self._schools,
        }.get(entity)
        if school is None or listing is None:
            return 404, {}, {"success": False}
        return 200, {}, {"success": True, "data": listing(school, conditions, int(page[1]))}

    def _attendances(self, school: School, conditions: _Conditions, page: int) -> list[dict[str, Any]]:
        with self.estate.lock:
            shown = [(one, self._attendance(one)) for one in self._alive(school)]
            found = [both for both in shown if _fits(both[1], conditions)]
            wanted = self._turn([both for both in found for _ in range(2 if both[0].twice else 1)], page)
            for record, _ in wanted:
                record.served.append(record.code)
                assert record.modified_at is not None
                record.served_times.add(record.modified_at.replace(microsecond=0))
            if page == 0 and {operator for _, operator, _ in conditions} == {"<=", ">="}:
                self._left_out(school, conditions)
            return [row for _, row in wanted]

    def _weeks(self, school: School, conditions: _Conditions, page: int) -> list[dict[str, Any]]:
        """Rows of the weeks that hold the instant which is asked for."""
        with self.estate.lock:
            rows: dict[tuple[date, str], dict[str, Any]] = {}
            records: dict[int, list[PulledRecord]] = {}
            for one in self._alive(school):
                monday = one.session_date - timedelta(days=one.session_date.weekday())
                row = rows.setdefault((monday, one.pupil_ref), _empty_week(one.pupil_ref, monday))
                row[f"{_WEEKDAYS[one.session_date.weekday()]}{one.session}"] = one.code
                records.setdefault(id(row), []).append(one)
            wanted = self._turn([row for row in rows.values() if _fits(row, conditions)], page)
            for one in (one for row in wanted for one in records[id(row)]):
                one.served.append(one.code)
            return wanted

    def _pupils(self, school: School, conditions: _Conditions, page: int) -> list[dict[str, Any]]:
        pupils, day = self.estate.pupils, self.estate.dates[0]
        rows = []
        for row, upn in zip(pupils.of(school), self.estate.upns(school), strict=True):
            first, last = pupils.enrolled(row, day)
            flags = int(pupils.flags[row])
            shown = {
                "studentId": int(school.pupil_id(row)),
                "upn": upn,
                "preferredFirstName": f"Forename-{row}",
                "lastName": f"Surname-{row}",
                "dateOfBirth": f"{pupils.born(row, day)}T00:00:00",
                "enrolmentStateName": "pre-admission" if flags & PRE_ADMISSION else pupils.census_status(row),
                "enrolmentStartDate": f"{first}T00:00:00",
                "enrolmentEndDate": None if last is None else f"{last}T00:00:00",
                "yearGroup": year_name(int(pupils.year[row])),
                "tutorGroupName": f"{pupils.group(row):<10}",
                "boarderStatusCode": "B" if flags & BOARDER else "N",
                "attendanceModeDescription": "Part time" if flags & PART_TIME else "Full time",
            }
            if _fits(shown, conditions):
                rows.append(shown)
        return self._turn(rows, page)

    def _schools(self, school: School, conditions: _Conditions, page: int) -> list[dict[str, Any]]:
        row = {"schoolID": 1, "schoolName": school.name, "uniqueReferenceNumber": f"{school.urn}"}
        return self._turn([row] if _fits(row, conditions) else [], page)

    def _attendance(self, record: PulledRecord) -> dict[str, Any]:
        state = record.pupil_ref, record.session_date, record.session, record.code, record.updated_at
        made = self._shown.get(record.sequence)
        if made is None or made[0] != state:
            made = self._shown[record.sequence] = state, _attendance(record)
        return made[1]

    def _alive(self, school: School) -> list[PulledRecord]:
        held = self.estate.records.get(school.urn, {}).values()
        return [one for one in held if one.updated_at is not None and one.deleted_at is None]

    def _left_out(self, school: School, conditions: _Conditions) -> None:
        """What was shown before and is not in a window any more: who asks for all of it can tell."""
        for record in self.estate.records.get(school.urn, {}).values():
            gone = record.deleted_at is not None and record.served and record.served[-1] is not None
            if gone and _fits({"calendarStartDate": _begin(record)}, conditions):
                record.served.append(None)

    def _turn(self, items: list[Any], page: int) -> list[Any]:
        """A page by its number. Some servers give the last row of the page before once more."""
        start = page * _PAGE_SIZE
        repeats = 0 < start < len(items) and self._random.random() < self.estate.dirt.page_repeats
        return items[start - 1 if repeats else start : start + _PAGE_SIZE]


def _attendance(record: PulledRecord) -> dict[str, Any]:
    assert record.modified_at is not None
    code = record.code
    subcoded = _SUBCODED.fullmatch(code) is not None
    return {
        "attendanceID": record.sequence,
        "studentID": int(record.pupil_ref),
        "calendarStartDate": _begin(record),
        "calendarName": f"{record.session:<15}",
        "mark": code[0] if subcoded else code,
        "markSubcode": code[1] if subcoded else None,
        "minute": None,
        "attendanceComment": f"Remark-{record.sequence}" if record.sequence % 50 == 0 else None,
        "recordedOn": f"{record.modified_at.astimezone(LONDON):%Y-%m-%dT%H:%M:%S}",
    }


def _begin(record: PulledRecord) -> str:
    return f"{record.session_date}T{_BEGINS[record.session]}"


def _empty_week(pupil_ref: str, monday: date) -> dict[str, Any]:
    names = {f"{day}{half}": "" for day in _WEEKDAYS for half in _BEGINS}
    sunday = monday + timedelta(days=6)
    return {
        "studentId": int(pupil_ref), "startDate": f"{monday}T00:00:00", "endDate": f"{sunday}T23:59:59", **names
    }  # fmt: skip


#: Field in small letters, operator (`null` for a field that must be empty, or else what follows), value.
_Conditions = list[tuple[str, str, str]]


def _conditions(text: str) -> _Conditions:
    """Raises ValueError when a condition cannot be read."""
    found: _Conditions = []
    for condition in text.split(" and ") if text else []:
        first, _, other = condition.strip("()").partition(" or ")
        empty = _NULL.fullmatch(other)
        match = _CONDITION.fullmatch(first.strip())
        if match is None or (other and empty is None):
            raise ValueError("entityFilter cannot be read")
        operator = f"{match['operator']} or empty" if empty else match["operator"]
        found.append((match["field"].lower(), operator, match["value"]))
    return found


def _fits(row: Mapping[str, Any], conditions: _Conditions) -> bool:
    if not conditions:
        return True
    names = _names(tuple(row))
    return all(_holds(row.get(names.get(name, "")), operator, value) for name, operator, value in conditions)


@cache
def _names(fields: tuple[str, ...]) -> dict[str, str]:
    """Each field by its name in small letters."""
    return {field.lower(): field for field in fields}


def _holds(found: Any, operator: str, wanted: str) -> bool:
    operator, _, empty = operator.partition(" or ")
    if not found:
        return bool(empty)
    said = str(found)
    return {"=": said == wanted, ">=": said >= wanted, "<=": said <= wanted}[operator]

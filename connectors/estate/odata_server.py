"""The MIS of pulled schools as an OData service of the data provision profile, on loopback.

    GET /odata/AttendanceSessions, Pupils, Groups, GroupMemberships
        $filter: conditions `field eq|ge|le value` joined by `and`, one of them `SchoolURN eq '...'`
        $orderby=Id; $select is ignored: services are met that send every field, so names and comments are there too

Bearer token; server-driven paging by `@odata.nextLink`, whose `$skiptoken` is the last Id given. A row that is gone
stays, with IsDeleted. Rows that come while somebody pages may get an Id behind that place, and that reading skips them.

Dirt beside what all servers have: `ignored_filters`, a reading that is given all rows of the school, whatever it asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from connectors.estate.pupils import BOARDER, LEAVER, PART_TIME, PRE_ADMISSION, year_name
from connectors.estate.registers import groups_of
from connectors.estate.schools import School
from connectors.estate.server import Answer, EstateServer

if TYPE_CHECKING:
    from connectors.estate.messages import PulledRecord

__all__ = ["ODataServer"]

_CONDITION = re.compile(r"(?P<field>[A-Za-z]+) (?P<operator>eq|ge|le) (?P<value>'[^']*'|\S+)")
_PAGE_SIZE = 250
#: Beginnings of a skiptoken: rows as asked for, or all rows.
_ASKED, _ALL = "asked.", "all."


class ODataServer(EstateServer):
    """The OData profile over the estate's schools that are pulled from such a service."""

    make = "odata"

    @property
    def base_url(self) -> str:
        """http://host:port/odata."""
        return f"{self.origin}/odata"

    def answer(self, path: str, query: dict[str, str], authorization: str) -> Answer:
        """What a request is answered. `path` begins with /odata."""
        if authorization != f"Bearer {self.token}":
            return 401, {}, {"error": {"code": "401", "message": "the token is not known"}}
        conditions = _conditions(query.get("$filter", ""))
        urn = next((value for field, _, value in conditions if field == "SchoolURN"), None)
        trouble = self.trouble(urn)
        if trouble is not None:
            return trouble
        entity = path.removeprefix("/odata/")
        school = self.schools.get(urn or "")
        if entity == "AttendanceSessions":
            return self._sessions(school, conditions, query)
        listing = {"Pupils": self._pupils, "Groups": self._groups, "GroupMemberships": self._memberships}.get(entity)
        if listing is None:
            return 404, {}, {"error": {"code": "404", "message": "no such entity"}}
        rows = sorted([] if school is None else listing(school), key=_id)
        return self._page(entity, rows, query, _id, lambda row: row)

    def _sessions(self, school: School | None, conditions: list[tuple[str, str, str]], query: dict[str, str]) -> Answer:
        token = query.get("$skiptoken", "")
        ignores = token.startswith(_ALL) or (not token and self.draw() < self.estate.dirt.ignored_filters)
        query = {**query, "$skiptoken": token or (_ALL if ignores else _ASKED)}
        with self.estate.lock:
            held = [] if school is None else self.estate.records.get(school.urn, {}).values()
            wanted = [one for one in held if one.updated_at is not None and (ignores or _passes(one, conditions))]

            def show(record: PulledRecord) -> dict[str, Any]:
                assert school is not None
                record.served.append(record.code if record.deleted_at is None else None)
                assert record.modified_at is not None
                record.served_times.add(record.modified_at)
                return _session(school, record)

            return self._page("AttendanceSessions", sorted(wanted, key=_record_id), query, _record_id, show)

    def _page(
        self,
        entity: str,
        items: list[Any],
        query: dict[str, str],
        rank: Callable[[Any], str],
        show: Callable[[Any], dict[str, Any]],
    ) -> Answer:
        token = query.get("$skiptoken", _ASKED)
        kind, _, after = token.partition(".")
        page, last = self.cut(items, after or None, min(_PAGE_SIZE, int(query.get("$top", _PAGE_SIZE))), rank)
        body: dict[str, Any] = {"@odata.context": f"{self.base_url}/$metadata#{entity}"}
        body["value"] = [show(item) for item in page]
        if last is not None and "$top" not in query:
            # Relative to the service, as the standard allows.
            body["@odata.nextLink"] = f"{entity}?{urlencode({**query, '$skiptoken': f'{kind}.{last}'})}"
        return 200, {}, body

    def _pupils(self, school: School) -> list[dict[str, Any]]:
        pupils, day = self.estate.pupils, self.estate.dates[0]
        rows = []
        for row, upn in zip(pupils.of(school), self.estate.upns(school), strict=True):
            first, last = pupils.enrolled(row, day)
            flags = int(pupils.flags[row])
            rows.append(
                {
                    "Id": school.pupil_id(row),
                    "SchoolURN": str(school.urn),
                    "UPN": upn,
                    "MisId": pupils.mis_id(row),
                    "Forename": f"Forename-{row}",
                    "Surname": f"Surname-{row}",
                    "DateOfBirth": pupils.born(row, day).isoformat(),
                    "YearGroup": year_name(int(pupils.year[row])),
                    "EnrolmentStart": first.isoformat(),
                    "EnrolmentEnd": last.isoformat() if flags & LEAVER and last is not None else None,
                    "EnrolmentStatus": "pre-admission" if flags & PRE_ADMISSION else pupils.census_status(row),
                    "Boarder": bool(flags & BOARDER),
                    "PartTime": bool(flags & PART_TIME),
                    "IsDeleted": False,
                }
            )
        return rows

    def _groups(self, school: School) -> list[dict[str, Any]]:
        return [
            {"Id": _group_id(school, name), "SchoolURN": str(school.urn), "Name": name, "Type": "Registration",
             "IsDeleted": False}
            for name, _ in groups_of(self.estate.pupils, school)
        ]  # fmt: skip

    def _memberships(self, school: School) -> list[dict[str, Any]]:
        pupils, day = self.estate.pupils, self.estate.dates[0]
        rows = []
        for row in pupils.of(school):
            first, last = pupils.enrolled(row, day)
            rows.append(
                {
                    "Id": f"GM-{row}",
                    "SchoolURN": str(school.urn),
                    "PupilId": school.pupil_id(row),
                    "GroupId": _group_id(school, pupils.group(row)),
                    "StartDate": first.isoformat(),
                    "EndDate": None if last is None else last.isoformat(),
                    "IsDeleted": False,
                }
            )
        return rows


def _session(school: School, record: PulledRecord) -> dict[str, Any]:
    changed = record.modified_at
    return {
        "Id": record.record_id,
        "SchoolURN": str(school.urn),
        "UPN": None,
        "PupilId": record.pupil_ref,
        "SessionDate": record.session_date.isoformat(),
        "Session": record.session,
        "Mark": record.code,
        "Modified": None if changed is None else changed.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "IsDeleted": record.deleted_at is not None,
        "Comment": f"Remark-{record.sequence}" if record.sequence % 50 == 0 else None,
    }


def _conditions(text: str) -> list[tuple[str, str, str]]:
    """Field, operator and value of each condition. Raises ValueError when one cannot be read."""
    found = []
    for condition in text.split(" and ") if text else []:
        match = _CONDITION.fullmatch(condition.strip())
        if match is None or match["field"] not in ("SchoolURN", "SessionDate", "Modified"):
            raise ValueError("$filter cannot be read")
        found.append((match["field"], match["operator"], match["value"].strip("'")))
    return found


def _passes(record: PulledRecord, conditions: list[tuple[str, str, str]]) -> bool:
    for field, operator, value in conditions:
        if field == "SessionDate" and not _holds(record.session_date.isoformat(), operator, value):
            return False
        if field == "Modified" and not _holds(record.modified_at, operator, datetime.fromisoformat(value)):
            return False
    return True


def _holds(found: Any, operator: str, wanted: Any) -> bool:
    return bool({"eq": found == wanted, "ge": found >= wanted, "le": found <= wanted}[operator])


def _group_id(school: School, name: str) -> str:
    return f"G-{school.index}-{name}"


def _id(row: dict[str, Any]) -> str:
    return str(row["Id"])


def _record_id(record: PulledRecord) -> str:
    return record.record_id

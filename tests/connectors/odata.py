"""A tiny OData service of the provision profile, over real HTTP: it serves what a test puts in, quirks on demand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tests.connectors.server import Answer, FakeServer

__all__ = ["SECRET", "FakeOData", "pupil", "row"]

SECRET = "a secret that is only used in tests"


class FakeOData(FakeServer):
    """Entities with rows, `per_page` to a page, paged by `$skiptoken` as servers do that page by themselves.

    Understands `eq`, `ge` and `le` joined by `and`; `$select` and `$top`. A path's name is that of its entity.
    """

    def __init__(self, per_page: int = 2) -> None:
        super().__init__()
        self.per_page = per_page
        self.held: dict[str, list[dict[str, Any]]] = {}
        self.authorization = f"Bearer {SECRET}"
        #: All rows are sent, whatever is asked for.
        self.ignores_filter = False
        #: A page begins again with the row that the one before ended with.
        self.repeat_at_boundaries = False
        #: Links to the next page are relative to the service, as the standard allows.
        self.relative_links = False

    @property
    def url(self) -> str:
        """The service's root."""
        return f"{self.origin}/odata"

    def path_of(self, path: str) -> str:
        return path.removeprefix("/odata/").strip("/")

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        if headers.get("Authorization", "") != self.authorization:
            return Answer(401)
        if path not in self.held:
            return Answer(404)
        rows = [row for row in self.held[path] if self.ignores_filter or _passes(row, query.get("$filter", ""))]
        rows.sort(key=lambda row: str(row["Id"]))
        start = int(query.get("$skiptoken", "0"))
        end = start + self.per_page
        first = start - 1 if start and self.repeat_at_boundaries else start
        fields = query["$select"].split(",")
        body: dict[str, Any] = {
            "@odata.context": f"{self.url}/$metadata#{path}",
            "value": [{name: value for name, value in one.items() if name in fields} for one in rows[first:end]],
        }
        if end < min(len(rows), int(query.get("$top", len(rows)))):
            root = "" if self.relative_links else f"{self.url}/"
            body["@odata.nextLink"] = f"{root}{path}?{urlencode({**query, '$skiptoken': str(end)})}"
        return Answer(body=json.dumps(body).encode())


def _passes(row: Mapping[str, Any], conditions: str) -> bool:
    read = [re.fullmatch(r"(\w+) (eq|ge|le) '?([^']*)'?", one) for one in conditions.split(" and ")]
    return all(one is not None and _holds(row, *one.groups()) for one in read)


def _holds(row: Mapping[str, Any], name: str, operator: str, wanted: str) -> bool:
    found = str(row[name])
    if name == "Modified":
        return datetime.fromisoformat(found) >= datetime.fromisoformat(wanted)
    return {"eq": found == wanted, "ge": found >= wanted, "le": found <= wanted}[operator]


def row(number: int, urn: int, day: str = "2025-09-10", **changed: Any) -> dict[str, Any]:
    """A row of AttendanceSessions of pupil PUP-0."""
    return {
        "Id": f"AS-{number:05d}",
        "SchoolURN": str(urn),
        "UPN": None,
        "PupilId": "PUP-0",
        "SessionDate": day,
        "Session": "AM",
        "Mark": "/",
        "Modified": "2025-09-10T08:00:00Z",
        "IsDeleted": False,
        "Comment": "Remark that goes no further",
        **changed,
    }


def pupil(number: int, urn: int, **changed: Any) -> dict[str, Any]:
    """A row of Pupils."""
    return {
        "Id": f"PUP-{number}",
        "SchoolURN": str(urn),
        "UPN": None,
        "MisId": str(number),
        "Forename": "Forename-nowhere",
        "Surname": "Surname-nowhere",
        "DateOfBirth": "2013-10-01",
        "YearGroup": "7",
        "EnrolmentStart": "2024-09-03",
        "EnrolmentEnd": None,
        "EnrolmentStatus": "C",
        "Boarder": False,
        "PartTime": False,
        "IsDeleted": False,
        **changed,
    }

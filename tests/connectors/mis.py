"""A tiny MIS in Wonde's shape, over real HTTP: what a test puts in is served, and trouble on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tests.connectors.server import Answer, FakeServer

__all__ = ["TOKEN", "FakeWonde", "Trouble", "local_day", "mark", "student"]

TOKEN = "a token that is only used in tests"


#: Answered instead of a page, once.
Trouble = Answer


class FakeWonde(FakeServer):
    """Pages of `per_page` records with a cursor. `held[path]` are a resource's records, e.g. 'A1/attendance/session'.

    A record's '_changed' (datetime) is compared with `updated_after`; fields that begin with '_' are not served.
    """

    def __init__(self, per_page: int = 2) -> None:
        super().__init__()
        self.per_page = per_page
        self.held: dict[str, list[dict[str, Any]]] = {}
        #: Single objects by path, e.g. the school 'A1'.
        self.one: dict[str, dict[str, Any]] = {}
        self.token = TOKEN
        #: A page begins again with the record that the one before ended with.
        self.repeat_at_boundaries = False
        #: Set: a request for the third page of anything waits for ever, for tests that kill the puller there.
        self.stuck_on_third_page = threading.Event()
        self.reached_third_page = threading.Event()
        #: 'page' pages by number instead of cursor.
        self.paging = "cursor"

    @property
    def url(self) -> str:
        """The base URL, with the version."""
        return f"{self.origin}/v1.0"

    def path_of(self, path: str) -> str:
        return path.removeprefix("/v1.0/schools/").strip("/")

    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        if headers.get("Authorization", "") != f"Bearer {self.token}":
            return Answer(401)
        if path in self.one:
            return Answer(body=json.dumps({"data": self.one[path]}).encode())
        if path not in self.held:
            return Answer(404)
        start = (
            int(query.get("cursor", "0"))
            if self.paging == "cursor"
            else (int(query.get("page", "1")) - 1) * self.per_page
        )
        if start >= 2 * self.per_page and self.stuck_on_third_page.is_set():
            self.reached_third_page.set()
            threading.Event().wait(60)
        after = query.get("updated_after")
        records = [
            record
            for record in self.held[path]
            if after is None or "_changed" not in record or record["_changed"] >= datetime.fromisoformat(after)
        ]
        end = start + self.per_page
        first = start - 1 if start and self.repeat_at_boundaries else start
        place = {"cursor": str(end)} if self.paging == "cursor" else {"page": str(end // self.per_page + 1)}
        more = end < len(records)
        link = f"{self.url}/schools/{path}/?{urlencode({**query, **place})}" if more else None
        served = [
            {name: value for name, value in one.items() if not name.startswith("_")} for one in records[first:end]
        ]
        body = {"data": served, "meta": {"pagination": {"next": link, "more": more}}}
        return Answer(body=json.dumps(body).encode())


def local_day(day: str) -> dict[str, Any]:
    """A day as Wonde writes it: its midnight in London."""
    return {"date": f"{day} 00:00:00.000000", "timezone_type": 3, "timezone": "Europe/London"}


def mark(number: int, day: str = "2025-09-10", **changed: Any) -> dict[str, Any]:
    """A record of attendance/session; code ids are 'C' and the code."""
    return {
        "id": f"A9{number:05d}",
        "student": f"A1{number:05d}",
        "employee": "A7",
        "session": "AM",
        "date": local_day(day),
        "attendance_code": "C/",
        "comment": "Remark that goes no further",
        **changed,
    }


def student(number: int, **education: Any) -> dict[str, Any]:
    """A record of students."""
    return {
        "id": f"A1{number:05d}",
        "upi": "x",
        "mis_id": str(number),
        "forename": "Forename-nowhere",
        "surname": "Surname-nowhere",
        "date_of_birth": local_day("2013-10-01"),
        "education_details": {
            "data": {
                "upn": None,
                "admission_date": local_day("2024-09-03"),
                "leaving_date": None,
                "current_nc_year": "7",
                "part_time": False,
                **education,
            }
        },
        "extended_details": {"data": {"enrolment_status": "C"}},
        "groups": {
            "data": [{"id": "A5", "code": "7A", "type": "REGISTRATION"}, {"id": "A6", "code": "X", "type": "CLASS"}]
        },
    }

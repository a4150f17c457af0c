"""Wonde keeps the contract of connectors."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from connectors.access import Access
from connectors.contract import Connector
from connectors.pupils import UpnKey
from connectors.wonde.client import WondeClient
from connectors.wonde.connector import WondeConnector
from tests.connectors.contract import BEGAN, UPN, FollowsLinks, HttpConnectorContract, HttpMadeSource, Said
from tests.connectors.mis import TOKEN, FakeWonde, local_day, student
from tests.connectors.pull_child import QUICK


def connector(url: str, urn: int) -> tuple[Connector, Callable[[], Awaitable[None]]]:
    """A connector of one school, and what closes it."""
    client = WondeClient(url, patience=QUICK, a_second=10_000)
    access = Access.of("wonde", url, TOKEN, [("A1", urn, "local")])
    key = UpnKey(b"a key that is only used in tests", "k1")
    return WondeConnector(access, client, key, today=date(2025, 11, 5)), client.aclose


class WondeSource(HttpMadeSource):
    """One school of a `FakeWonde`, paged by number, so that reading can go on behind a broken page."""

    marks_path = "A1/attendance/session"

    def __init__(self, marks: Sequence[Said], urn: int) -> None:
        self.mis = FakeWonde(per_page=2)
        self.mis.paging = "page"
        self.mis.held = {
            "A1/attendance-codes": [],
            "A1/students": [student(0, upn=UPN)],
            "A1/deletions": [],
            self.marks_path: [],
        }
        self.mis.one["A1"] = {"id": "A1", "urn": urn}
        for mark in marks:
            self.say(mark, BEGAN)
        super().__init__(self.mis, f"{__name__}:connector", url=self.mis.url, urn=urn)

    def say(self, mark: Said, changed: datetime) -> None:
        code = {"id": f"C-{mark.code}", "code": mark.code}
        if code not in self.mis.held["A1/attendance-codes"]:
            self.mis.held["A1/attendance-codes"].append(code)
        record = {
            "id": mark.record,
            "student": "A100000",
            "session": mark.session,
            "date": local_day(mark.day.isoformat()),
            "attendance_code": code["id"],
            "comment": "Remark that goes no further",
            "_changed": changed,
        }
        held = self.mis.held[self.marks_path]
        places = [place for place, one in enumerate(held) if one["id"] == mark.record]
        held[slice(*((places[0], places[0] + 1) if places else (len(held), None)))] = [record]

    def remove(self, record: str, changed: datetime) -> None:
        self.mis.held[self.marks_path] = [one for one in self.mis.held[self.marks_path] if one["id"] != record]
        gone = {"id": record, "type": "attendance/session", "_changed": changed}
        self.mis.held["A1/deletions"].append(gone)

    def repeat(self) -> None:
        self.mis.repeat_at_boundaries = True


class TestWonde(FollowsLinks, HttpConnectorContract):
    never_said = ("Remark that goes no further", "nowhere", "2013-10-01", UPN)
    missing_marks_are_none = True
    tells_changes_of_days = True

    def source_with(self, marks: Sequence[Said], tmp_path: Path, urn: int) -> WondeSource:
        return WondeSource(marks, urn)

    def page_that_leads_to(self, link: Any) -> bytes:
        return json.dumps({"data": [], "meta": {"pagination": {"next": link}}}).encode()

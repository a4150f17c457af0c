"""The OData profile keeps the contract of connectors."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from connectors.access import Access
from connectors.contract import Connector
from connectors.odata.client import ODataClient
from connectors.odata.connector import ODataConnector
from connectors.pupils import UpnKey
from tests.connectors.contract import BEGAN, UPN, FollowsLinks, HttpConnectorContract, HttpMadeSource, Said
from tests.connectors.odata import SECRET, FakeOData, pupil, row
from tests.connectors.pull_child import QUICK


def connector(url: str, urn: int) -> tuple[Connector, Callable[[], Awaitable[None]]]:
    """A connector of one school, and what closes it."""
    client = ODataClient(url, patience=QUICK, a_second=10_000)
    access = Access.of("odata", url, SECRET, [(str(urn), urn, "local")])
    key = UpnKey(b"a key that is only used in tests", "k1")
    return ODataConnector(access, client, key, today=date(2025, 11, 5)), client.aclose


class ODataSource(HttpMadeSource):
    """One school of a `FakeOData`."""

    marks_path = "AttendanceSessions"

    def __init__(self, marks: Sequence[Said], urn: int) -> None:
        self.service, self.urn = FakeOData(per_page=2), urn
        self.service.held = {
            "Pupils": [pupil(0, urn, UPN=UPN)],
            "Groups": [{"Id": "G1", "SchoolURN": str(urn), "Name": "7A", "Type": "Registration", "IsDeleted": False}],
            "GroupMemberships": [
                {"Id": "M1", "SchoolURN": str(urn), "PupilId": "PUP-0", "GroupId": "G1", "StartDate": "2025-09-01"}
            ],
            self.marks_path: [],
        }
        for mark in marks:
            self.say(mark, BEGAN)
        super().__init__(self.service, f"{__name__}:connector", url=self.service.url, urn=urn)

    def say(self, mark: Said, changed: datetime) -> None:
        said = row(0, self.urn, mark.day.isoformat(), Id=mark.record, Session=mark.session, Mark=mark.code)
        self._hold({**said, "Modified": changed.isoformat()})

    def remove(self, record: str, changed: datetime) -> None:
        (held,) = (one for one in self.service.held[self.marks_path] if one["Id"] == record)
        self._hold({**held, "IsDeleted": True, "Modified": changed.isoformat()})

    def repeat(self) -> None:
        self.service.repeat_at_boundaries = True

    def _hold(self, one: dict[str, Any]) -> None:
        others = [held for held in self.service.held[self.marks_path] if held["Id"] != one["Id"]]
        self.service.held[self.marks_path] = [*others, one]


class TestOData(FollowsLinks, HttpConnectorContract):
    never_said = ("Remark that goes no further", "nowhere", "2013-10-01", UPN)
    reads_on_behind_a_broken_page = False

    def source_with(self, marks: Sequence[Said], tmp_path: Path, urn: int) -> ODataSource:
        return ODataSource(marks, urn)

    def page_that_leads_to(self, link: Any) -> bytes:
        return json.dumps({"value": [], "@odata.nextLink": link}).encode()


class TestODataThatIgnoresItsFilter(TestOData):
    """The same promises hold of a server that sends everything, whatever it is asked for: all schools, all days."""

    def source_with(self, marks: Sequence[Said], tmp_path: Path, urn: int) -> ODataSource:
        made = super().source_with(marks, tmp_path, urn)
        made.service.ignores_filter = True
        made.service.relative_links = True
        made.service.held["AttendanceSessions"] += [row(number, urn + 500_000, Id=f"z{number}") for number in range(3)]
        made.service.held["Pupils"].append(pupil(9, urn + 500_000))
        return made

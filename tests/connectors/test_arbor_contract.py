"""Arbor keeps the contract of connectors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from pathlib import Path

from connectors.access import Access
from connectors.arbor.client import ArborClient
from connectors.arbor.connector import ArborConnector
from connectors.contract import Connector
from connectors.pupils import UpnKey
from tests.connectors.arbor import RECORD, RECORDS, SECRET, FakeArbor, roll_call_record, school
from tests.connectors.contract import BEGAN, UPN, HttpConnectorContract, HttpMadeSource, Said
from tests.connectors.pull_child import QUICK


def connector(url: str, urn: int) -> tuple[Connector, Callable[[], Awaitable[None]]]:
    """A connector of one school, and what closes it."""
    client = ArborClient(url, patience=QUICK, a_second=10_000)
    access = Access.of("arbor", url, SECRET, [("school-a", urn, "local")])
    key = UpnKey(b"a key that is only used in tests", "k1")
    return ArborConnector(access, client, key, today=date(2025, 11, 5)), client.aclose


class ArborSource(HttpMadeSource):
    """One school of a `FakeArbor`, asked at the address that all schools share."""

    marks_path = RECORDS

    def __init__(self, marks: Sequence[Said], urn: int) -> None:
        self.mis = FakeArbor(per_page=2, application="school-a")
        school(self.mis, UPN)
        for mark in marks:
            self.say(mark, BEGAN)
        super().__init__(self.mis, f"{__name__}:connector", url=self.mis.origin, urn=urn)

    def say(self, mark: Said, changed: datetime) -> None:
        roll_call_record(self.mis, mark.record, mark.day.isoformat(), mark.session, mark.code or None)

    def remove(self, record: str, changed: datetime) -> None:
        self.mis.drop(RECORD, record)

    def repeat(self) -> None:
        self.mis.repeat_at_boundaries = True

    def break_page(self, number: int) -> None:
        self.mis.broken_page = number


class TestArbor(HttpConnectorContract):
    never_said = ("Remark that goes no further", "nowhere", "2013-10-01", UPN)

    def source_with(self, marks: Sequence[Said], tmp_path: Path, urn: int) -> ArborSource:
        return ArborSource(marks, urn)

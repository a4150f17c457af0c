"""Bromcom keeps the contract of connectors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from pathlib import Path

from connectors.access import Access
from connectors.bromcom.client import BromcomClient
from connectors.bromcom.connector import BromcomConnector
from connectors.contract import Connector
from connectors.pupils import UpnKey
from tests.connectors.bromcom import APPLICATION, SECRET, FakeBromcom, attendance, local, pupil
from tests.connectors.contract import BEGAN, UPN, HttpConnectorContract, HttpMadeSource, Said
from tests.connectors.pull_child import QUICK

PUPIL = 7001


def connector(url: str, urn: int) -> tuple[Connector, Callable[[], Awaitable[None]]]:
    """A connector of one school, and what closes it."""
    client = BromcomClient(url, patience=QUICK, a_second=10_000)
    access = Access.of("bromcom", url, f"{APPLICATION}:{SECRET}", [("4711", urn, "local")])
    key = UpnKey(b"a key that is only used in tests", "k1")
    return BromcomConnector(access, client, key, today=date(2025, 11, 5)), client.aclose


class BromcomSource(HttpMadeSource):
    """One school of a `FakeBromcom`."""

    marks_path = "Attendances"

    def __init__(self, marks: Sequence[Said], urn: int) -> None:
        self.mis = FakeBromcom(per_page=2)
        self.mis.held["StudentFlatView"] = [pupil(PUPIL, upn=UPN)]
        for mark in marks:
            self.say(mark, BEGAN)
        super().__init__(self.mis, f"{__name__}:connector", url=self.mis.origin, urn=urn)

    def say(self, mark: Said, changed: datetime) -> None:
        held = self.mis.held["Attendances"]
        record = attendance(PUPIL, mark.day.isoformat(), mark.session, mark.code, recordedOn=local(changed))
        record["_record"] = mark.record
        places = [place for place, one in enumerate(held) if one["_record"] == mark.record]
        held[slice(*((places[0], places[0] + 1) if places else (len(held), None)))] = [record]

    def remove(self, record: str, changed: datetime) -> None:
        held = self.mis.held["Attendances"]
        held[:] = [one for one in held if one["_record"] != record]

    def repeat(self) -> None:
        self.mis.repeat_at_boundaries = True


class TestBromcom(HttpConnectorContract):
    never_said = ("Remark that goes no further", "nowhere", "2013-10-01", UPN, SECRET)
    tells_deletions = False

    def source_with(self, marks: Sequence[Said], tmp_path: Path, urn: int) -> BromcomSource:
        return BromcomSource(marks, urn)

    def id_of(self, mark: Said) -> str:
        return f"{PUPIL}:{mark.day}:{mark.session}"

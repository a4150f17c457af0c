"""Wonde keeps the contract of connectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from connectors.access import Access
from connectors.pupils import UpnKey
from connectors.wonde.client import Patience, WondeClient
from connectors.wonde.connector import WondeConnector
from tests.connectors.contract import ConnectorContract, MadeSource, Said
from tests.connectors.mis import TOKEN, FakeWonde, Trouble, local_day

_MARKS = "A1/attendance/session"
QUICK = Patience(first_seconds=0.01, longest_seconds=0.05)


class WondeSource(MadeSource):
    """One school of a `FakeWonde`, paged by number, so that reading can go on behind a broken page."""

    def __init__(self, marks: Sequence[Said]) -> None:
        self.mis = FakeWonde(per_page=2)
        self.mis.paging = "page"
        codes = sorted({one.code for one in marks})
        self.mis.held["A1/attendance-codes"] = [{"id": f"C{place}", "code": code} for place, code in enumerate(codes)]
        self.mis.held[_MARKS] = [
            {
                "id": one.record,
                "student": "A100",
                "session": one.session,
                "date": local_day(one.day.isoformat()),
                "attendance_code": f"C{codes.index(one.code)}",
                "comment": "Remark that goes no further",
            }
            for one in marks
        ]
        self.client = WondeClient(self.mis.url, patience=QUICK, a_second=10_000)
        self.connector = WondeConnector(
            Access.of("wonde", self.mis.url, TOKEN, [("A1", 100_001, "local")]),
            self.client,
            UpnKey(b"a key that is only used in tests", "k1"),
        )
        self.mis.trouble["A1"] = [Trouble(200, {}, b'{"data": {"id": "A1", "urn": 100001}}')]

    def refuse(self) -> None:
        self.mis.token = "another"
        self.mis.trouble["A1"] = []

    def break_page(self, number: int) -> None:
        whole = self.mis._answer

        def answer(path: str, query: dict[str, str], authorization: str) -> Trouble:
            given = whole(path, query, authorization)
            broken = path == _MARKS and query.get("page", "1") == str(number + 1)
            return Trouble(200, {}, given.body[:40]) if broken else given

        self.mis._answer = answer  # type: ignore[method-assign]

    def be_busy(self, times: int) -> None:
        self.mis.trouble[_MARKS] = [Trouble(429, {"Retry-After": "0"})] * times

    async def close(self) -> None:
        await self.client.aclose()
        self.mis.close()


class TestWonde(ConnectorContract):
    never_said = ("Remark that goes no further",)

    def source_with(self, marks: Sequence[Said], tmp_path: Path) -> WondeSource:
        return WondeSource(marks)

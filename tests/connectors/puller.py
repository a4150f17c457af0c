"""Pulls from a `FakeWonde`, for tests: one connector, one runner, state and refused pages in a folder of the test."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from connectors.access import Access
from connectors.contract import Window
from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.refused import RefusedFolder
from connectors.runner import Pulled, Runner
from connectors.state import StateFolder
from connectors.wonde.client import WondeClient
from connectors.wonde.connector import WondeConnector
from tests.connectors.mis import TOKEN, FakeWonde
from tests.connectors.pull_child import QUICK

MIS, ROSTER = "attendance.mis.v1", "reference.roster.v1"
SESSIONS, LESSONS, DELETIONS = "A1/attendance/session", "A1/attendance/lesson", "A1/deletions"
CODES = [{"id": "C/", "code": "/"}, {"id": "CN", "code": "N"}]


@dataclass
class Puller:
    """Pulls from a `FakeWonde` with a clock that moves when it is told to."""

    mis: FakeWonde
    urn: int
    publisher: Publisher
    encoder: Encoder
    folder: Path
    now: datetime = datetime(2025, 9, 10, 8, 30, tzinfo=UTC)
    token: str = TOKEN
    schools: list[tuple[str, int, str]] = field(default_factory=list)

    def pull(self, window: Window | None = None, what: Any = "all") -> list[Pulled]:
        async def once() -> list[Pulled]:
            told = Access.of("wonde", self.mis.url, self.token, self.schools or [("A1", self.urn, "national")])
            client = WondeClient(told.base_url, patience=QUICK, a_second=10_000)
            connector = WondeConnector(told, client, UpnKey(b"k" * 32, "k1"), today=date(2025, 9, 10))
            runner = Runner(
                connector,
                self.publisher,
                self.encoder,
                self.state,
                RefusedFolder(self.folder / "refused"),
                now=lambda: self.now,
            )
            try:
                return await runner.round(await connector.discover(), window=window, what=what)
            finally:
                await client.aclose()

        return asyncio.run(once())

    @property
    def state(self) -> StateFolder:
        return StateFolder(self.folder / "state")

    def cursor(self, school: str = "A1") -> datetime | None:
        return self.state.load(school).cursor

    def refused(self) -> list[dict[str, Any]]:
        return [json.loads(file.read_text()) for file in sorted((self.folder / "refused").rglob("*.json"))]


def ids(pages: list[dict[str, Any]]) -> list[str]:
    return [one["record_id"] for page in pages for one in page["marks"]]

"""A source that tells of no deletions, as a file says: for tests of what the runner does with any such make.

The file holds {"records": [marks as `attendance.mis.v1` has them, and when they `changed`], "broken": page or null}.
Two records to a page, in the file's order.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Refusal, Source
from connectors.encoding import days, milliseconds

__all__ = ["ScriptedConnector", "connector"]


class ScriptedConnector(Connector):
    """One school, "A1". A record with a "reason" cannot be read."""

    make = "scripted"
    sends_deletions = False

    def __init__(self, file: Path, urn: int, name: str = "scripted") -> None:
        super().__init__(name)
        self._file, self._urn = file, urn

    async def discover(self) -> Sequence[Source]:
        return [Source("A1", self._urn)]

    async def check(self, source: Source) -> Sequence[str]:
        return []

    async def pull(self, pull: Pull) -> AsyncIterator[Page | BadPage]:
        script = json.loads(self._file.read_text())
        records = [one for one in script["records"] if _asked_for(pull, one)]
        for number, start in enumerate(range(0, len(records), 2)):
            if number == script.get("broken"):
                yield BadPage("marks", number, "it is broken, in this test", b"{")
            else:
                yield Page("marks", number, records[start : start + 2])

    def to_message(self, pull: Pull, page: Page) -> MarksPage:
        marks = [{name: value for name, value in one.items() if name != "changed"} for one in page.records]
        return MarksPage(
            marks=[one for one in marks if "reason" not in one],
            refused=[Refusal(one["reason"], {}) for one in marks if "reason" in one],
        )


def _asked_for(pull: Pull, record: dict[str, Any]) -> bool:
    if pull.window is not None:
        return days(pull.window.first_day) <= record["session_date"] <= days(pull.window.last_day)
    return pull.since is None or record["changed"] >= milliseconds(pull.since)


def connector(file: str, urn: int) -> tuple[Connector, Callable[[], Awaitable[None]]]:
    """A connector of the file, and what closes it."""

    async def nothing() -> None:
        pass

    return ScriptedConnector(Path(file), urn), nothing

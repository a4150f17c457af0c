"""The conformance suite of connectors: inherit it, say how to make the source, and every promise is checked.

class TestWonde(ConnectorContract):
    def source_with(self, marks, tmp_path): ...
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, SourceStopped, Window

__all__ = ["ConnectorContract", "MadeSource", "Said"]

_DAY_ZERO = date(1970, 1, 1)
#: The fields of `attendance.mis.v1`'s marks; nothing else leaves a connector.
_MARK_FIELDS = {
    "record_id",
    "pupil_ref",
    "pupil_scheme",
    "session_date",
    "session",
    "period",
    "code",
    "minutes_late",
    "modified_at",
}


@dataclass(frozen=True)
class Said:
    """A mark that a test puts into the source. `day` is the school's own day."""

    record: str
    day: date
    session: str
    code: str


class MadeSource(ABC):
    """A source with known content. `connector` reads it; the methods change it."""

    connector: Connector

    @abstractmethod
    def refuse(self) -> None:
        """From now on the source does not let us in."""

    @abstractmethod
    def break_page(self, number: int) -> None:
        """From now on this page (from 0) of marks cannot be read."""

    @abstractmethod
    def be_busy(self, times: int) -> None:
        """Answer so many requests with "too many requests"."""

    @abstractmethod
    async def close(self) -> None:
        """Free what it holds."""


class ConnectorContract(ABC):
    """Every promise of `connectors.contract.Connector` that can be seen from outside."""

    #: Words that the source's records hold and no message may: names, comments.
    never_said: Sequence[str] = ()

    @abstractmethod
    def source_with(self, marks: Sequence[Said], tmp_path: Path) -> MadeSource:
        """A source that holds these marks, two to a page, in this order."""

    marks = (
        Said("r1", date(2025, 9, 10), "AM", "/"),
        Said("r2", date(2025, 9, 10), "PM", "\\"),
        Said("r3", date(2025, 11, 3), "AM", "L"),
        Said("r4", date(2025, 11, 3), "PM", "no map knows me"),
        Said("r5", date(2025, 11, 4), "AM", ""),
    )

    def test_every_mark_is_said_once_in_order_and_as_it_is(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks, tmp_path)
        _, pages, bad = _read(made)
        said = [mark for page in pages for mark in page.marks]
        assert [mark["record_id"] for mark in said] == [one.record for one in self.marks]
        assert [(mark["session"], mark["code"]) for mark in said] == [(one.session, one.code) for one in self.marks]
        assert not bad
        assert not any(page.refused for page in pages)

    def test_rule_8_the_day_is_the_day_it_says_in_summer_and_in_winter(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks, tmp_path)
        said = [mark for page in _read(made)[1] for mark in page.marks]
        assert [_DAY_ZERO + timedelta(days=mark["session_date"]) for mark in said] == [one.day for one in self.marks]

    def test_rule_27_nothing_else_leaves_the_source(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks, tmp_path)
        raw, pages, _ = _read(made)
        assert all(word in json.dumps([page.records for page in raw], default=str) for word in self.never_said)
        assert all(mark.keys() == _MARK_FIELDS for page in pages for mark in page.marks)
        assert not any(word in json.dumps([page.marks for page in pages], default=str) for word in self.never_said)

    def test_the_same_page_says_the_same_again(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks, tmp_path)
        raw, pages, _ = _read(made)
        assert [made.connector.to_message(_pull(made), page) for page in raw] == pages

    def test_a_window_is_those_days_and_no_other(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks, tmp_path)
        _, pages, _ = _read(made, window=Window(date(2025, 11, 3), date(2025, 11, 3)))
        assert [mark["record_id"] for page in pages for mark in page.marks] == ["r3", "r4"]

    def test_a_busy_source_is_waited_for(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks, tmp_path)
        made.be_busy(2)
        assert sum(len(page.marks) for page in _read(made)[1]) == len(self.marks)

    def test_a_page_that_cannot_be_read_is_told_and_the_rest_go_on(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks, tmp_path)
        made.break_page(1)
        _, pages, bad = _read(made)
        assert len(bad) == 1
        assert bad[0].reason
        assert bad[0].body
        said = [mark["record_id"] for page in pages for mark in page.marks]
        assert said == ["r1", "r2", "r5"]

    def test_being_refused_stops_at_once(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks, tmp_path)
        made.refuse()
        with pytest.raises(SourceStopped, match="token"):
            _read(made)

    def test_check_says_that_it_is_refused_and_nothing_when_all_is_well(self, tmp_path: Path) -> None:
        made = self.source_with(self.marks[:2], tmp_path)

        async def check() -> Sequence[str]:
            (source,) = await made.connector.discover()
            return await made.connector.check(source)

        assert list(_run(made, check())) == []
        made = self.source_with(self.marks[:2], tmp_path)
        made.refuse()
        assert list(_run(made, check()))


def _pull(made: MadeSource, window: Window | None = None) -> Pull:
    async def first() -> Any:
        return (await made.connector.discover())[0]

    return Pull("p", asyncio.run(first()), datetime(2025, 11, 5, tzinfo=UTC), window=window)


def _read(made: MadeSource, window: Window | None = None) -> tuple[list[Page], list[MarksPage], list[BadPage]]:
    pull = _pull(made, window)

    async def everything() -> tuple[list[Page], list[MarksPage], list[BadPage]]:
        raw: list[Page] = []
        bad: list[BadPage] = []
        async for page in made.connector.pull(pull):
            if isinstance(page, BadPage):
                bad.append(page)
            else:
                raw.append(page)
        return raw, [made.connector.to_message(pull, page) for page in raw], bad

    return _run(made, everything())


def _run(made: MadeSource, work: Any) -> Any:
    async def and_close() -> Any:
        try:
            return await work
        finally:
            await made.close()

    return asyncio.run(and_close())

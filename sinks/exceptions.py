"""Findings about accepted marks (rules 1 to 6 and 16): how many of each, what each means and what to do, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from clickhouse_connect.driver.client import Client

from rollcall.domain.findings import EXCEPTION_NAMES
from rollcall.errors import UsageError
from sinks.quarantine import printable
from sinks.statements import load

__all__ = ["Exceptional", "Found", "found", "summary"]


@dataclass(frozen=True)
class Exceptional:
    """One exception, how often it stands, and the three sentences that say what to do."""

    exception: str
    found: int
    schools: int
    first_day: date
    last_day: date
    what: str
    when_it_matters: str
    how_to_resolve: str

    def as_json(self) -> dict[str, Any]:
        """As an element of `rollcall quarantine exceptions --json`."""
        return printable(asdict(self))


@dataclass(frozen=True)
class Found:
    """One finding: about a mark, (item -1) about a message, or (topic empty) about a school's session. No pupil."""

    session_date: date
    session: str
    urn: int
    source: str
    topic: str
    partition: int
    offset: int
    item: int

    def as_json(self) -> dict[str, Any]:
        """As an element of `rollcall quarantine exceptions --exception ... --json`."""
        return printable(asdict(self))


def summary(client: Client, first: date, last: date, urn: int = 0) -> list[Exceptional]:
    """Exceptions of session dates, both inclusive, the most frequent first; of one school, or (0) of all."""
    wanted = {"first": first, "last": last, "urn": urn}
    return [Exceptional(*row) for row in client.query(load("exceptions_summary"), parameters=wanted).result_rows]


def found(client: Client, exception: str, first: date, last: date, urn: int = 0, limit: int = 100) -> list[Found]:
    """Where one exception stands, at most `limit`. Raises UsageError for none of ours."""
    if exception not in EXCEPTION_NAMES:
        raise UsageError(f"no such exception: {exception}; there are {', '.join(EXCEPTION_NAMES)}")
    wanted = {"exception": exception, "first": first, "last": last, "urn": urn, "limit": limit}
    return [Found(*row) for row in client.query(load("exceptions_found"), parameters=wanted).result_rows]

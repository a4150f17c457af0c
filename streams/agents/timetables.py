"""When registers open and close, as known now: held in memory, read again when a school's timetable changes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import structlog
from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import OPEN_START, session_opens
from sinks import reference
from streams.agents.evidence import Window

__all__ = ["Timetables"]

_log = structlog.get_logger()

#: Seconds between looks at reference data, as the worker's.
_LOOK_EVERY_S = 1.0


class _Span(NamedTuple):
    session: str
    opens_at: str
    closes_at: str
    weekdays: frozenset[int]
    first: date
    last: date


class Timetables:
    """The register times of all schools, out of the reference tables. One thread at a time uses it."""

    def __init__(self) -> None:
        self._spans: dict[int, list[_Span]] = {}
        self._since: datetime | None = None
        self._looked = float("-inf")

    def look(self, client: Client) -> None:
        """Read what changed since the last look, at most once a second; all of it the first time.

        Raises clickhouse_connect's errors; what is held then stays as it was.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_S:
            return
        first = self._looked == float("-inf")
        changes, since = reference.changes_since(client, self._since)
        urns = sorted({int(key) for kind, key in changes if kind == "register"})
        if first:
            self._spans = _by_school(reference.load_timetables(client))
        elif urns:
            self._spans |= {urn: [] for urn in urns} | _by_school(reference.load_timetables(client, urns))
        self._since, self._looked = since, now

    def windows(self, urn: int, day: date) -> dict[str, Window]:
        """By session, when the school's first register opens and its last one closes on that London day. UTC."""
        times: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for span in self._spans.get(urn, ()):
            if span.first <= day <= span.last and day.isoweekday() in span.weekdays:
                times[span.session].append((span.opens_at, span.closes_at))
        return {
            session: Window(
                session_opens(day, min(opens for opens, _ in found)),
                session_opens(day, max(closes for _, closes in found)),
            )
            for session, found in times.items()
        }


def _by_school(table: pa.Table) -> dict[int, list[_Span]]:
    """Spans whose times can be read; others are told of, and say nothing: a wrong time must not stop other schools."""
    spans: dict[int, list[_Span]] = defaultdict(list)
    columns: Sequence[Sequence[Any]] = [table[name].to_pylist() for name in _COLUMNS]
    for urn, session, opens, closes, weekdays, first, last in zip(*columns, strict=True):
        span = _Span(session, opens, closes, frozenset(weekdays), first, last)
        try:
            session_opens(OPEN_START, span.opens_at)
            session_opens(OPEN_START, span.closes_at)
        except ValueError:
            _log.warning("register_time_unreadable", urn=urn, session=session)
        else:
            spans[urn].append(span)
    return dict(spans)


_COLUMNS = ("urn", "session", "opens_at", "closes_at", "weekdays", "valid_from", "valid_to")

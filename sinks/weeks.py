"""Weeks of schools, packed (`pupil_week`): made of `mark_current` now and then, so that a year to date is read fast.

A week says what `school_session` said when it was made, and is read only where that is so still: a mark that came,
changed, healed or went since changes it (a session's version grows with whatever derive has seen of it), and the week
is read from the marks until it is made again. So an answer is that of the marks, however old the table is.

Making weeks may stop, be killed and be run twice at once: a week is one row, which stands whole or not at all, and
never claims to have seen more than it has, for what `school_session` says is asked before the marks are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import london_date, now
from sinks.statements import load

__all__ = ["Week", "make", "of_authorities", "stale"]

#: (URN, Monday)
Week = tuple[int, date]
#: Marks read by one statement: about 200 MB of memory.
_AT_ONCE = 1_000_000
_SETTINGS = {"max_threads": 2, "async_insert": 0, "insert_deduplicate": 0, "optimize_on_insert": 0}
_WEEK = timedelta(days=7)


def stale(
    client: Client, first: date, last: date, urns: Sequence[int] = (), las: Sequence[str] = ()
) -> tuple[list[Week], int]:  # fmt: skip
    """Weeks with session dates from `first` to `last` that must be read from the marks, and how many weeks there are.

    `urns`, `las`: schools, and three-digit codes of authorities that schools were ever in; all when empty.
    """
    ((weeks, number),) = _compared(client, "weeks_stale", _monday(first), _monday(last), urns, las)
    return [(int(urn), week) for urn, week in weeks], int(number)


def of_authorities(las: Collection[str]) -> str:
    """The condition on schools of these authorities, with the parameter `las`; of no condition where there are none."""
    return load("of_authorities") if las else "true"


def make(
    client: Client, today: date | None = None, at_once: int = _AT_ONCE, stopped: Callable[[], bool] = lambda: False
) -> int:  # fmt: skip
    """Make the weeks that are over and not as `school_session` says; returns how many.

    Month by month, and of a month so many schools at a time that about `at_once` marks are read. `today`: the day it
    is; its own week is not over. `stopped`: asked before each part, to leave the rest to the next run.
    """
    before = _monday(today or london_date(now()))
    made = 0
    for first, last in _months(client, before):
        for weeks in _parts(client, first, last, at_once):
            if stopped():
                return made
            asked = {"stale": [(urn, week) for urn, week, _ in weeks], "seen": [seen for _, _, seen in weeks]}
            statement = load("weeks_make").replace("{packed}", load("weeks_packed"))
            client.command(statement, parameters=asked, settings=_SETTINGS)
            made += len(weeks)
    return made


def _months(client: Client, before: date) -> Iterator[tuple[date, date]]:
    """First and last Monday of each four weeks in which there are marks, the latest first."""
    ((earliest, latest),) = client.query(load("weeks_span")).result_rows
    first, last = _monday(earliest), min(_monday(latest), before - _WEEK)
    while last >= first:
        yield max(first, last - 3 * _WEEK), last
        last -= 4 * _WEEK


def _parts(client: Client, first: date, last: date, at_once: int) -> Iterator[list[tuple[int, date, int]]]:
    part: list[tuple[int, date, int]] = []
    marks = 0
    for urn, week, seen, number in _compared(client, "weeks_to_make", first, last):
        if part and marks + number > at_once:
            yield part
            part, marks = [], 0
        part.append((urn, week, seen))
        marks += number
    if part:
        yield part


def _compared(
    client: Client, name: str, first: date, last: date, urns: Sequence[int] = (), las: Sequence[str] = ()
) -> Sequence[Sequence[Any]]:
    """The rows of a statement that reads weeks_compared.sql, of the weeks from one Monday to another."""
    statement = load(name).replace("{compared}", load("weeks_compared")).replace("{seen}", load("weeks_seen"))
    statement = statement.replace("{of_authorities}", of_authorities(las))
    asked = {"first_week": first.isoformat(), "last_week": last.isoformat(), "urns": list(urns), "las": list(las)}
    return client.query(statement, parameters=asked).result_rows


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())

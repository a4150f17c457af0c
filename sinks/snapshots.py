"""What the tables say of a snapshot: when each cut was known, and what two cuts say differently."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.statements import load

__all__ = ["Change", "Known", "changes", "known", "local_authorities"]


class Change(NamedTuple):
    """So many marks of a school and source that say `after` at the later cut and said `before` at the earlier.

    Codes are national ones, `?` and the code as received where no map knew it, '' where nothing stood.
    """

    urn: int
    source: str
    session: str
    before: str
    after: str
    marks: int


@dataclass(frozen=True, slots=True)
class Known:
    """A cut's instant of knowledge, UTC: everything taken in by then was known, and nothing else.

    It is the cut's end, or later, when the worker took in the last page that Kafka had by that end. pages: so many of
    them are taken in; unfinished: ranges a worker has begun by then and not done.
    """

    label: str
    at: datetime
    pages: int
    unfinished: int


def known(client: Client, label: str, end: datetime) -> Known:
    """When the cut `label` (name/cut), which ended at `end`, was known."""
    rows = client.query(load("snapshot_known"), parameters={"label": label, "end": _instant(end)}).result_rows
    at, pages, unfinished = rows[0]
    # The client gives a column of UTC without its zone.
    return Known(label, at.replace(tzinfo=UTC), int(pages), int(unfinished))


def changes(client: Client, day: date, one: Known, other: Known) -> list[Change]:
    """What the history says differently about a session date at two cuts, of the schools that gave a page to either."""
    parameters = {
        "day": day,
        "known_a": _instant(one.at),
        "known_b": _instant(other.at),
        "label_a": one.label,
        "label_b": other.label,
    }
    return [Change(*row) for row in client.query(load("snapshot_diff"), parameters=parameters).result_rows]


def local_authorities(client: Client, day: date) -> dict[int, str]:
    """URN -> name of its local authority on a day, of every school that is known."""
    rows = client.query(load("snapshot_local_authorities"), parameters={"day": day}).result_rows
    return {int(urn): str(name) for urn, name in rows}


def _instant(at: datetime) -> str:
    """As ClickHouse reads a parameter, to the millisecond."""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"

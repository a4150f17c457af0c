"""Amendment windows (rule 26): in how many school days a mark may be amended, per school and session date."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import now
from sinks.statements import load

__all__ = ["EVERY_SCHOOL", "Window", "in_force", "publish"]

#: The urn of a window that holds for every school without one of its own.
EVERY_SCHOOL = 0


class Window(NamedTuple):
    """A mark of these session dates (inclusive) may be amended until so many school days after its session."""

    urn: int
    valid_from: date
    valid_to: date
    school_days: int


def in_force(client: Client) -> list[Window]:
    """The windows in force, by school and first day."""
    return [Window(*row) for row in client.query(load("amendment_windows_in_force")).result_rows]


def publish(client: Client, windows: Collection[Window]) -> bool:
    """Put these windows in force in place of all before; False when they are in force already.

    One insert: the version is there or it is not. Raises clickhouse_connect's errors. ``windows`` is not empty.
    """
    wanted = sorted(windows)
    if wanted == in_force(client):
        return False
    published_at = now()
    client.insert(
        "amendment_window",
        [[published_at, *window] for window in wanted],
        column_names=["published_at", *Window._fields],
        settings={"async_insert": 0},
    )
    return True

"""One question to ClickHouse, with the settings of the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

__all__ = ["answer"]

_T = TypeVar("_T")


def answer(question: Callable[[Client], _T]) -> _T:
    """What ClickHouse says to a question."""
    from rollcall.settings import Settings
    from sinks.clickhouse import connect

    client = connect(Settings.load().clickhouse)
    try:
        return question(client)
    finally:
        client.close()

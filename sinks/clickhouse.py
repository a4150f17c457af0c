"""Connections to ClickHouse, and how a statement that may be repeated is repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import clickhouse_connect
import structlog
import urllib3
from clickhouse_connect.driver import httputil
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from rollcall.errors import ClickHouseError
from rollcall.settings import ClickHouseSettings

__all__ = ["ClickHouseAway", "connect", "patiently"]

_log = structlog.get_logger()
_T = TypeVar("_T")

#: ClickHouse's own codes for "not now": too many parts, memory, timeouts, shutting down, too many queries.
_PASSING = frozenset({159, 202, 209, 210, 236, 241, 252})


class ClickHouseAway(ClickHouseError, ConnectionError):  # noqa: N818 - it is away, not wrong
    """ClickHouse does not answer now; it may later."""


def connect(settings: ClickHouseSettings, database: str | None = None) -> Client:
    """A client of its own pool; one a thread, for a client serves one request at a time.

    ``database``: instead of the one in the settings. Raises ClickHouseAway when the server does not answer, and
    ClickHouseError when it answers and refuses us (a wrong password, a database that nobody made).
    """
    try:
        return clickhouse_connect.get_client(
            **settings.client_options(),
            database=settings.database if database is None else database,
            compress=False if settings.host in ("127.0.0.1", "localhost", "::1") else "lz4",
            autogenerate_session_id=False,
            query_limit=0,
            send_receive_timeout=600,
            pool_mgr=httputil.get_pool_manager(maxsize=2),
        )
    except (DatabaseError, OperationalError, urllib3.exceptions.HTTPError, OSError) as e:
        where = f"ClickHouse at {settings.host}:{settings.port}"
        if not is_passing(e):
            raise ClickHouseError(f"{where} refuses: {first_line(e)}") from e
        raise ClickHouseAway(f"{where} does not answer: {first_line(e)}") from e


def first_line(error: Exception) -> str:
    """What an error says, in one line of at most 300 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def is_passing(error: Exception) -> bool:
    """Whether the same statement may succeed later: the server is away or overloaded, not of another opinion."""
    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        text = str(error)
        return any(f"Code: {code}" in text or f"code {code}" in text.lower() for code in _PASSING)
    return isinstance(error, (OperationalError, urllib3.exceptions.HTTPError, OSError))


def patiently(
    act: Callable[[], _T], *, what: str, still_wanted: Callable[[], bool],
    on_wait: Callable[[bool], None] = lambda _: None,
) -> _T:  # fmt: skip
    """Run ``act`` until ClickHouse takes it, waiting 0.1 s to 5 s between tries, as long as ``still_wanted()``.

    ``act`` must be harmless when it runs twice (same token, same block). ``on_wait(True)`` while waiting,
    ``on_wait(False)`` after. Raises ClickHouseError at once when ClickHouse refuses for good, or when it is no longer
    wanted.
    """
    pause, waited = 0.1, False
    while True:
        try:
            result = act()
        except (DatabaseError, OperationalError, urllib3.exceptions.HTTPError, OSError) as e:
            if not is_passing(e):
                raise ClickHouseError(f"{what}: {first_line(e)}") from e
            if not still_wanted():
                raise ClickHouseAway(f"{what}: given up, {first_line(e)}") from e
            if not waited:
                _log.warning("clickhouse_away", doing=what, error=type(e).__name__)
            waited = True
            on_wait(True)
            time.sleep(pause)
            pause = min(pause * 2, 5.0)
        else:
            if waited:
                _log.info("clickhouse_back", doing=what)
                on_wait(False)
            return result

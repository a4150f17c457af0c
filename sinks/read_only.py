"""Questions of people: any SQL, and nothing of it may write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from rollcall.errors import UsageError

__all__ = ["ask"]

#: Reads only; a query may change its own settings, but not this one.
_READ_ONLY = {"readonly": 2}


def ask(client: Client, query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """The names of the columns and the rows of a query's answer.

    Raises UsageError with ClickHouse's own words when it refuses the query: it cannot be read, or it would write.
    """
    try:
        answer = client.query(query.strip().rstrip(";"), settings=_READ_ONLY)
    except DatabaseError as error:
        raise UsageError(f"ClickHouse refuses: {' '.join(str(error).split())[:600]}") from error
    return answer.column_names, answer.result_rows

"""Databases for tests: migrated once, emptied and used again, because a migration is two seconds and a test often less.

A database goes back only from a test that passed and left every table and view as the migrations made it; any other is
dropped. An emptied table forgets its deduplication window as well (a test of this file's own shows it).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sinks.migrate import migrate
from sinks.seed import seed

__all__ = ["Databases"]

_SHAPE = "SELECT name, engine, create_table_query FROM system.tables WHERE database = {database:String} ORDER BY name"
#: Tables that hold rows of their own (views hold none), the record of the migrations aside.
_TABLES = (
    "SELECT name FROM system.tables WHERE database = {database:String} AND endsWith(engine, 'MergeTree')"
    " AND name != 'schema_migration'"
)


class Databases:
    """The migrated databases of one stack, reached through one client of its server."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._free: list[tuple[str, Any]] = []

    def take(self) -> tuple[str, Any]:
        """The name of an empty, migrated database, and its shape, to be given back with it."""
        if self._free:
            return self._free.pop()
        name = f"test_{uuid.uuid4().hex[:12]}"
        migrate(self._client, name)
        return name, self._shape(name)

    def give_back(self, name: str, shape: Any) -> None:
        """Empty it for the next test, or drop it where it is no longer as the migrations made it."""
        if self._shape(name) != shape:
            self.drop(name)
            return
        for (table,) in self._client.query(_TABLES, parameters={"database": name}).result_rows:
            self._client.command(f"TRUNCATE TABLE `{name}`.`{table}` SYNC")
        self._client.database = name
        seed(self._client)
        self._free.append((name, shape))

    def drop(self, name: str) -> None:
        """Drop it: its test failed, and something may still write to it."""
        self._client.database = None
        self._client.command(f"DROP DATABASE IF EXISTS `{name}` SYNC", use_database=False)

    @contextmanager
    def one(self, failed: Any) -> Iterator[str]:
        """A database for a while; dropped instead of used again if `failed()` in the end."""
        name, shape = self.take()
        try:
            yield name
        except BaseException:
            self.drop(name)
            raise
        if failed():
            self.drop(name)
        else:
            self.give_back(name, shape)

    def close(self) -> None:
        """Drop those that are free."""
        for name, _ in self._free:
            self.drop(name)
        self._free.clear()

    def _shape(self, name: str) -> Any:
        return self._client.query(_SHAPE, parameters={"database": name}).result_rows

"""Databases for tests: migrated once, emptied and used again, because a migration is two seconds and a test often less.

A database goes back only from a test that passed and left every table and view as the migrations made it; any other is
dropped. An emptied table forgets its deduplication window as well (a test of this file's own shows it). Only tables
that were written to are emptied: those whose parts are not the ones they had (a part's name is never given twice).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sinks.migrate import migrate
from sinks.seed import seed

__all__ = ["Databases"]

#: What changes with every CREATE and ALTER. The statements themselves would say the same and cost 50 ms. The time of an
#: ALTER has whole seconds, and a migration's own may be of the same one: so the columns as well.
_SHAPE = (
    "SELECT name, engine, uuid, metadata_modification_time FROM system.tables WHERE database = {database:String}"
    " ORDER BY name"
)
_COLUMNS = "SELECT count(), sum(cityHash64(table, name, type)) FROM system.columns WHERE database = {database:String}"
#: The parts of each table, the record of the migrations aside.
_PARTS = (
    "SELECT table, groupArray(name) FROM"
    " (SELECT table, name FROM system.parts WHERE database = {database:String} AND table != 'schema_migration'"
    " ORDER BY table, name) GROUP BY table"
)


@dataclass(frozen=True)
class _Clean:
    """A database as it is handed out: its tables and views, and the parts of the fixed lists that stand in it."""

    shape: Any
    parts: dict[str, list[str]]


class Databases:
    """The migrated databases of one stack, reached through one client of its server."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._free: list[tuple[str, _Clean]] = []

    def take(self) -> tuple[str, _Clean]:
        """The name of an empty, migrated database, and how it is now, to be given back with it."""
        if self._free:
            return self._free.pop()
        name = f"test_{uuid.uuid4().hex[:12]}"
        migrate(self._client, name)
        return name, _Clean(self._shape(name), self._parts(name))

    def give_back(self, name: str, clean: _Clean) -> None:
        """Empty it for the next test, or drop it where it is no longer as the migrations made it."""
        if self._shape(name) != clean.shape:
            self.drop(name)
            return
        parts = self._parts(name)
        written = {table for table in {*parts, *clean.parts} if parts.get(table) != clean.parts.get(table)}
        for table in sorted(written):
            self._client.command(f"TRUNCATE TABLE `{name}`.`{table}` SYNC")
        if written & clean.parts.keys():  # what the migrations put there themselves
            self._client.database = name
            seed(self._client)
            clean = replace(clean, parts=self._parts(name))
        self._free.append((name, clean))

    def drop(self, name: str) -> None:
        """Drop it: its test failed, and something may still write to it."""
        self._client.database = None
        self._client.command(f"DROP DATABASE IF EXISTS `{name}` SYNC", use_database=False)

    @contextmanager
    def one(self, failed: Any) -> Iterator[str]:
        """A database for a while; dropped instead of used again if `failed()` in the end."""
        name, clean = self.take()
        try:
            yield name
        except BaseException:
            self.drop(name)
            raise
        if failed():
            self.drop(name)
        else:
            self.give_back(name, clean)

    def close(self) -> None:
        """Drop those that are free."""
        for name, _ in self._free:
            self.drop(name)
        self._free.clear()

    def _parts(self, name: str) -> dict[str, list[str]]:
        return dict(self._client.query(_PARTS, parameters={"database": name}).result_rows)

    def _shape(self, name: str) -> Any:
        return [
            self._client.query(statement, parameters={"database": name}).result_rows for statement in (_SHAPE, _COLUMNS)
        ]

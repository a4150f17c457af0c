"""Migrations: once, whoever runs them, however often, and whatever happened half way."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest

from rollcall.domain.codes import CODES
from rollcall.domain.findings import EXCEPTIONS, QUARANTINE
from rollcall.errors import ClickHouseError, ConfigError
from sinks.migrate import Migration, committed, migrate, pending
from sinks.statements import split


@pytest.fixture
def server(stack: Any) -> Iterator[Any]:
    """A client without a database."""
    client = clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port)
    yield client
    client.close()


@pytest.fixture
def empty(server: Any) -> Iterator[str]:
    """The name of a database that does not exist."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    server.command(f"DROP DATABASE IF EXISTS {name} SYNC", use_database=False)


def migration(text: str, number: int = 1) -> Migration:
    return Migration(number, f"{number:04}_of_a_test", text, str(hash(text)))


def tables(client: Any, database: str) -> set[str]:
    rows = client.query("SELECT name FROM system.tables WHERE database = {d:String}", parameters={"d": database})
    return {name for (name,) in rows.result_rows}


def test_everything_is_applied_once(server: Any, empty: str) -> None:
    names = tuple(one.name for one in committed() if not one.needs_access_management)
    assert tuple(one.name for one in pending(server, empty)) == names
    first = migrate(server, empty)
    assert first.applied == names
    assert pending(server, empty) == ()
    assert migrate(server, empty).applied == ()
    assert {"mark_event", "mark_current", "marks_current", "ledger"} <= tables(server, empty)


def test_asking_what_is_pending_changes_nothing(server: Any, empty: str) -> None:
    pending(server, empty)
    assert tables(server, empty) == set()
    assert server.query(f"SELECT count() FROM system.databases WHERE name = '{empty}'").result_rows == [(0,)]


def test_roles_are_left_out_where_nobody_manages_access(server: Any, empty: str) -> None:
    skipped = migrate(server, empty).skipped
    assert skipped[0] == "0007_analyst_role"
    assert skipped == tuple(one.name for one in committed() if one.needs_access_management)


def test_roles_are_written_as_a_server_reads_them(server: Any, clickhouse: Any) -> None:
    """The role gets every view, and no table. The embedded engine parses the statements; it cannot run them."""
    roles = [one for one in committed() if one.needs_access_management]
    granted = set()
    for statement in [statement for role in roles for statement in role.statements("rollcall")]:
        server.query(f"EXPLAIN AST {statement}")
        if statement.startswith("GRANT"):
            granted.add(statement.split()[3])
    rows = clickhouse.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")
    assert granted == {name for (name,) in rows.result_rows}


def test_a_changed_migration_is_refused(server: Any, empty: str) -> None:
    migrate(server, empty, [migration("CREATE TABLE a (x UInt8) ENGINE = MergeTree ORDER BY x")])
    changed = migration("CREATE TABLE a (x UInt16) ENGINE = MergeTree ORDER BY x")
    with pytest.raises(ClickHouseError, match="0001_of_a_test was changed after it was applied"):
        migrate(server, empty, [changed])


def test_a_database_of_a_newer_version_is_refused(server: Any, empty: str) -> None:
    one, two = migration("SELECT 1"), migration("SELECT 2", 2)
    migrate(server, empty, [one, two])
    with pytest.raises(ClickHouseError, match="does not know"):
        migrate(server, empty, [one])


class DiesAt:
    """A client whose process is killed before its n-th command: what ran before has run."""

    def __init__(self, client: Any, at: int) -> None:
        self._client, self._left = client, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._client, name, value)

    def command(self, *args: Any, **kwargs: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._client.command(*args, **kwargs)


@pytest.mark.parametrize("at", [2, 3, 4])
def test_a_killed_run_is_finished_by_the_next(server: Any, empty: str, at: int) -> None:
    steps = [
        migration(
            "CREATE TABLE a (x UInt8) ENGINE = MergeTree ORDER BY x;"
            "CREATE MATERIALIZED VIEW b ENGINE = MergeTree ORDER BY x AS SELECT x FROM a;"
            "ALTER TABLE a ADD COLUMN IF NOT EXISTS y UInt8"
        )
    ]
    with pytest.raises(KeyboardInterrupt):
        migrate(DiesAt(server, at), empty, steps)  # type: ignore[arg-type]
    assert migrate(server, empty, steps).applied == ("0001_of_a_test",)
    assert {"a", "b"} <= tables(server, empty)
    assert (
        server.query("SELECT name FROM system.columns WHERE table = 'a' AND database = currentDatabase()").row_count
        == 2
    )


def test_a_table_that_is_not_ours_is_not_taken_over(server: Any, empty: str) -> None:
    server.command(f"CREATE DATABASE {empty}", use_database=False)
    server.command(f"CREATE TABLE {empty}.a (other String) ENGINE = MergeTree ORDER BY other", use_database=False)
    with pytest.raises(ClickHouseError, match="0001_of_a_test failed at `CREATE TABLE a"):
        migrate(server, empty, [migration("CREATE TABLE a (x UInt8) ENGINE = MergeTree ORDER BY x")])


def test_half_a_shape_of_another_text_is_not_taken_over(server: Any, empty: str) -> None:
    early = migration("CREATE TABLE a (x UInt8) ENGINE = MergeTree ORDER BY x; SELECT throwIf(1)")
    with pytest.raises(ClickHouseError, match="failed at"):
        migrate(server, empty, [early])
    with pytest.raises(ClickHouseError, match="begun by a version of Rollcall with other text"):
        migrate(server, empty, [migration("CREATE TABLE a (x UInt16) ENGINE = MergeTree ORDER BY x")])


def test_processes_that_migrate_together_both_end_well(stack: Any, server: Any, empty: str) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(3)

    def run() -> None:
        client = clickhouse_connect.get_client(
            host=stack.clickhouse_host, port=stack.clickhouse_port, autogenerate_session_id=False
        )
        try:
            together.wait()
            migrate(client, empty)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert pending(server, empty) == ()
    assert server.query(f"SELECT count() FROM {empty}.code_category FINAL").result_rows == [(len(CODES),)]


def test_the_fixed_lists_are_those_of_this_version(clickhouse: Any) -> None:
    def names(query: str) -> list[str]:
        return [name for (name,) in clickhouse.query(query).result_rows]

    assert set(names("SELECT canonical_code FROM code_category FINAL")) == {code.code for code in CODES}
    assert names("SELECT name FROM exception_kind FINAL ORDER BY bit") == [one.name for one in EXCEPTIONS]
    assert set(names("SELECT name FROM quarantine_kind FINAL")) == {one.name for one in QUARANTINE}


def test_a_list_that_has_drifted_is_brought_up_to_date(server: Any, clickhouse_database: str) -> None:
    server.command(
        f"INSERT INTO {clickhouse_database}.exception_kind VALUES (0, 'old_name', 'x', 'y', 'z')", use_database=False
    )
    migrate(server, clickhouse_database)
    assert server.query("SELECT name FROM exception_kind FINAL WHERE bit = 0").result_rows == [("not_on_roll",)]


@pytest.mark.parametrize("name", ["", "a b", "a`b", "1a", "a;b", "x" * 64])
def test_a_database_has_a_plain_name(server: Any, name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a database"):
        migrate(server, name)


def test_every_committed_statement_may_run_twice() -> None:
    """A killed run is run again: CREATE is watched over by migrate, anything else must say so itself."""
    for one in committed():
        for statement in split(one.text):
            words = statement.upper().split()
            again = words[0] == "INSERT" and " NOT IN (SELECT " in statement  # it leaves out what stands
            again |= words[0] in {"CREATE", "GRANT"} or "EXISTS" in words
            again |= words[3:4] == ["MODIFY"]  # a view's query or a column's type, named once more as it is
            assert again, f"{one.name}: {statement[:60]}"

"""The databases that tests use again: one that is given back is as good as new."""

from __future__ import annotations

from typing import Any

import clickhouse_connect
import pytest

from tests.databases import Databases

COUNTS = "SELECT name, total_rows FROM system.tables WHERE database = {db:String} AND endsWith(engine, 'MergeTree')"


@pytest.fixture
def client(stack: Any) -> Any:
    made = clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port)
    yield made
    made.close()


def counts(client: Any, database: str) -> dict[str, int]:
    return dict(client.query(COUNTS, parameters={"db": database}).result_rows)


def test_a_database_given_back_is_empty_but_for_the_fixed_lists(client: Any) -> None:
    databases = Databases(client)
    name, shape = databases.take()
    fresh = counts(client, name)
    client.database = name
    client.command("INSERT INTO school (urn) VALUES (100001)")
    databases.give_back(name, shape)
    assert databases.take() == (name, shape)
    assert counts(client, name) == fresh
    databases.drop(name)


def test_a_fixed_list_that_was_changed_is_as_it_was(client: Any) -> None:
    databases = Databases(client)
    name, shape = databases.take()
    fresh = counts(client, name)
    client.command(f"INSERT INTO {name}.quarantine_kind (name) VALUES ('made up')")
    client.command(f"TRUNCATE TABLE {name}.exception_kind")
    databases.give_back(name, shape)
    assert databases.take()[0] == name
    assert counts(client, name) == fresh
    databases.drop(name)


def test_a_block_inserted_before_it_was_given_back_is_not_taken_for_a_repeat_afterwards(client: Any) -> None:
    databases = Databases(client)
    name, shape = databases.take()
    for _ in range(2):
        client.database = name
        for _ in range(2):
            client.command("INSERT INTO mark_event (urn) SETTINGS insert_deduplication_token = 'same' VALUES (100001)")
        assert counts(client, name)["mark_event"] == 1
        databases.give_back(name, shape)
        name, shape = databases.take()
    databases.drop(name)


@pytest.mark.parametrize(
    "change",
    [
        "DROP VIEW {}.school_days",
        "CREATE OR REPLACE VIEW {}.school_days AS SELECT 1",
        "ALTER TABLE {}.mark_event ADD COLUMN one_more UInt8",
    ],
)
def test_a_database_that_was_changed_is_not_used_again(client: Any, change: str) -> None:
    databases = Databases(client)
    name, shape = databases.take()
    client.command(change.format(name))
    databases.give_back(name, shape)
    other, _ = databases.take()
    assert other != name
    databases.drop(other)

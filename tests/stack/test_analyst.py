"""The user `analyst` of the embedded front reads views and nothing else, whatever it tries."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from rollcall.stack.clickhouse.analyst import Tables, check_text, check_tree, read_tree
from rollcall.stack.clickhouse.errors import QueryError
from rollcall.stack.clickhouse.users import ANALYST_LIMITS

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def analyst(stack: Any) -> Iterator[Client]:
    """The analyst in a database with a table `raw`, the view `marks` on it, and a view with a parameter."""
    database = f"analyst_{uuid.uuid4().hex[:12]}"
    options = {"host": stack.clickhouse_host, "port": stack.clickhouse_port}
    with clickhouse_connect.get_client(**options) as admin:
        admin.command(f"CREATE DATABASE {database}")
        try:
            with clickhouse_connect.get_client(**options, database=database) as owner:
                owner.command("CREATE TABLE raw (urn UInt32, code String) ENGINE = MergeTree ORDER BY urn")
                owner.command("CREATE VIEW marks AS SELECT urn, code FROM raw WHERE urn > 100000")
                owner.command("CREATE VIEW marks_of AS SELECT urn, code FROM raw WHERE urn = {urn:UInt32}")
                owner.command("CREATE MATERIALIZED VIEW copied ENGINE = MergeTree ORDER BY urn AS SELECT urn FROM raw")
                owner.insert("raw", [[1, "secret"], [100001, "/"], [100002, "L"]], column_names=["urn", "code"])
            with clickhouse_connect.get_client(**options, database=database, username="analyst") as client:
                yield client
        finally:
            admin.command(f"DROP DATABASE {database} SYNC")


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count() FROM marks", [(2,)]),
        ("SELECT m.code, n.code FROM marks AS m JOIN marks AS n USING (urn) ORDER BY m.urn", [("/", "/"), ("L", "L")]),
        ("WITH late AS (SELECT * FROM marks WHERE code = 'L') SELECT urn FROM late", [(100002,)]),
        ("WITH 5 AS five SELECT five", [(5,)]),
        ("SELECT urn FROM marks WHERE urn IN (SELECT urn FROM marks WHERE code = '/')", [(100001,)]),
        ("SELECT urn FROM marks WHERE code IN ('L', 'U') ORDER BY urn DESC LIMIT 1", [(100002,)]),
        ("SELECT code FROM marks_of(urn = 100001)", [("/",)]),
        (
            "SELECT urn, row_number() OVER (PARTITION BY code ORDER BY urn) FROM marks ORDER BY 1",
            [(100001, 1), (100002, 1)],
        ),
        ("SELECT 1 UNION ALL SELECT 1", [(1,), (1,)]),
        ("SELECT sum(number) FROM numbers(5)", [(10,)]),
        ("SELECT max(urn) -- the highest\nFROM marks;", [(100002,)]),
        ("SELECT * EXCEPT code FROM marks ORDER BY urn", [(100001,), (100002,)]),
        ("SELECT arrayMap(x -> x + 1, [1, 2]), quantile(0.5)(urn) FROM marks", [([2, 3], 100001.5)]),
        ("SHOW TABLES", [("marks",), ("marks_of",)]),
    ],
)
def test_views_may_be_asked_anything(analyst: Client, sql: str, rows: list[tuple[Any, ...]]) -> None:
    assert analyst.query(sql).result_rows == rows


def test_parameters_formats_and_settings_work(analyst: Client) -> None:
    asked = "SELECT code FROM marks WHERE urn = {urn:UInt32}"
    assert analyst.query(asked, parameters={"urn": 100002}, settings={"max_threads": 1}).result_rows == [("L",)]
    assert analyst.query_arrow("SELECT urn FROM marks").num_rows == 2
    assert analyst.query("DESCRIBE marks").result_rows[0][:2] == ("urn", "UInt32")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM raw",
        "SELECT * FROM {db}.raw",
        "SELECT * FROM `{db}`.`raw`",
        "FROM raw SELECT *",
        "SELECT * FROM copied",
        "SELECT * FROM `.inner.copied`",
        "SELECT (SELECT count() FROM raw)",
        "SELECT exists(SELECT 1 FROM raw)",
        "SELECT * FROM marks JOIN raw USING (urn)",
        "SELECT * FROM marks UNION ALL SELECT * FROM raw",
        "SELECT * FROM marks INTERSECT SELECT * FROM raw",
        "SELECT * FROM (SELECT * FROM (SELECT * FROM raw))",
        "SELECT * FROM (WITH raw AS (SELECT 1) SELECT * FROM raw) AS a, raw",
        "SELECT urn FROM marks WHERE urn IN raw",
        "SELECT urn FROM marks WHERE urn NOT IN {db}.raw",
        "SELECT urn FROM marks WHERE globalIn(urn, raw)",
        "SELECT urn FROM marks WHERE nullIn(urn, raw)",
        "SELECT urn FROM marks ORDER BY (SELECT count() FROM raw)",
        "SELECT urn FROM marks LIMIT (SELECT count() FROM raw)",
        "SELECT sum(urn) OVER (ORDER BY (SELECT count() FROM raw)) FROM marks",
        "SELECT * APPLY(x -> (SELECT count() FROM raw)) FROM marks",
        "SELECT * REPLACE((SELECT any(code) FROM raw) AS code) FROM marks",
        "SELECT urn FROM marks ORDER BY urn WITH FILL FROM (SELECT 1) INTERPOLATE (urn AS (SELECT any(urn) FROM raw))",
        "SELECT * FROM merge('{db}', '^raw$')",
        "SELECT * FROM view(SELECT * FROM raw)",
        "SELECT * FROM remote('127.0.0.1', {db}, raw)",
        "SELECT * FROM cluster('default', {db}, raw)",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT file('/etc/hostname')",
        "SELECT * FROM url('http://127.0.0.1', 'LineAsString')",
        "SELECT * FROM Python(marks)",
        "SELECT * FROM mergeTreeIndex({db}, raw)",
        "SELECT * FROM loop({db}, raw)",
        "SELECT dictGet('raw', 'code', 1)",
        "SELECT joinGet('raw', 'code', 1)",
        "SELECT * FROM marks SETTINGS additional_table_filters = {{'marks': '1'}}",
        "SELECT * FROM system.tables",
        "SELECT * FROM system.processes",
        "SELECT * FROM information_schema.columns",
        "SELECT 1 INTO OUTFILE '{folder}/stolen'",
        "SELECT 1; SELECT * FROM raw",
        "SELECT 1; DROP TABLE raw",
        "DESCRIBE raw",
        "DESCRIBE (SELECT * FROM raw)",
        "EXPLAIN SELECT * FROM raw",
        "EXPLAIN TABLE OVERRIDE raw",
        "SHOW CREATE TABLE raw",
        "SHOW TABLES FROM system",
        "EXISTS TABLE raw",
        "CHECK TABLE raw",
        "INSERT INTO raw VALUES (1, 'x')",
        "INSERT INTO FUNCTION file('{folder}/stolen') SELECT 1",
        "CREATE VIEW mine AS SELECT * FROM raw",
        "CREATE TEMPORARY TABLE mine AS SELECT * FROM raw",
        "DROP VIEW marks",
        "ALTER TABLE raw DELETE WHERE 1",
        "OPTIMIZE TABLE raw",
        "SYSTEM STOP MERGES",
        "KILL QUERY WHERE 1",
        "SET readonly = 0",
        "USE system",
        "SELECT urn AS `a\n TableIdentifier marks` FROM marks",
    ],
)
def test_nothing_below_the_views_can_be_reached(analyst: Client, tmp_path: Path, sql: str) -> None:
    statement = sql.replace("{{", "{").replace("}}", "}") if "{{" in sql else sql
    statement = statement.replace("{db}", analyst.database or "").replace("{folder}", str(tmp_path))
    with pytest.raises(DatabaseError) as raised:
        analyst.command(statement)
    assert raised.value.code in {48, 62, 164, 497}, str(raised.value)
    assert "secret" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_settings_and_parameters_cannot_reach_below_either(analyst: Client) -> None:
    with pytest.raises(DatabaseError) as raised:
        analyst.query(
            "SELECT * FROM marks", settings={"additional_table_filters": "{'marks': 'urn IN (SELECT urn FROM raw)'}"}
        )
    assert raised.value.code == 497
    with pytest.raises(DatabaseError) as raised:
        analyst.query("SELECT * FROM {name:Identifier}", parameters={"name": "raw"})
    assert raised.value.code == 497
    with pytest.raises(DatabaseError):
        analyst.insert("raw", [[5, "x"]], column_names=["urn", "code"])


def test_limits_hold_and_less_may_be_asked_for(analyst: Client) -> None:
    names = "('max_threads', 'max_memory_usage', 'max_execution_time')"
    asked = f"SELECT name, value FROM system.settings WHERE name IN {names}"
    more = {"max_threads": 8, "max_memory_usage": 0, "max_execution_time": 5}
    held = dict(analyst.query(asked, settings=more).result_rows)
    assert held == {
        "max_threads": "1",
        "max_memory_usage": str(ANALYST_LIMITS["max_memory_usage"]),
        "max_execution_time": "5",
    }


def test_analysts_wait_for_each_other_and_nobody_for_them(analyst: Client, stack: Any) -> None:
    endless = "SELECT count() FROM numbers(1000000000000000) WHERE sipHash64(number) % 7 = 0"
    # The statement itself, not what the front asks about it before.
    theirs = "startsWith(query, 'SELECT count() FROM numbers(1000000000000000)')"
    options = {"host": stack.clickhouse_host, "port": stack.clickhouse_port}

    def ask(sql: str) -> list[tuple[Any, ...]]:
        with clickhouse_connect.get_client(**options, database=analyst.database, username="analyst") as one:
            return list(one.query(sql).result_rows)

    with ThreadPoolExecutor(2) as analysts, clickhouse_connect.get_client(**options) as other:

        def running() -> int:
            return int(other.query(f"SELECT count() FROM system.processes WHERE {theirs}").result_rows[0][0])

        first = analysts.submit(ask, endless)
        try:
            while not running():
                assert not first.done()
            second = analysts.submit(ask, "SELECT max(urn) FROM marks")
            for _ in range(20):
                assert running() == 1
                assert not second.done()
        finally:
            other.command(f"KILL QUERY WHERE {theirs} ASYNC")
        assert second.result() == [(100002,)]
        with pytest.raises(DatabaseError, match="394"):  # QUERY_WAS_CANCELLED
            first.result()


def test_a_format_with_a_schema_writes_no_file(analyst: Client, tmp_path: Path) -> None:
    """`output_format_schema` names a file that the engine writes its schema to, over whatever stands there."""
    stolen = tmp_path / "schema"
    with pytest.raises(DatabaseError) as raised:
        analyst.raw_query("SELECT 1 AS a", fmt="Protobuf", settings={"output_format_schema": str(stolen)})
    assert raised.value.code == 497
    assert not stolen.exists()


@pytest.mark.parametrize("line", ["Set", "SomethingNew (children 1)", "Explain EXPLAIN (children 1)", "not a node!"])
def test_what_is_not_known_is_refused(line: str) -> None:
    tree = f"SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  {line}\n"
    with pytest.raises(QueryError) as raised:
        check_tree(read_tree(tree), Tables({}, "default"))
    assert raised.value.code == 497


def test_strings_may_hold_what_names_may_not() -> None:
    check_text("SELECT 'a `b\\n` c', `plain name`")
    with pytest.raises(QueryError):
        check_text("SELECT `a\\nb`")

"""The ClickHouse front as clients see it: an unchanged clickhouse_connect, and plain HTTP."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import clickhouse_connect
import lz4.frame
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

pytestmark = pytest.mark.stack

COMPRESSIONS = [False, "lz4", "zstd", "gzip"]
MOMENT = dt.datetime(2026, 9, 10, 8, 15, tzinfo=dt.UTC)


@pytest.fixture
def client(stack: Any) -> Iterator[Client]:
    """A client whose database is new and dropped afterwards."""
    database = f"front_{uuid.uuid4().hex[:12]}"
    options = {"host": stack.clickhouse_host, "port": stack.clickhouse_port}
    with clickhouse_connect.get_client(**options) as admin:
        admin.command(f"CREATE DATABASE {database}")
        try:
            with clickhouse_connect.get_client(**options, database=database) as client:
                yield client
        finally:
            admin.command(f"DROP DATABASE {database} SYNC")


def another(client: Client, **options: Any) -> Client:
    """A second client of the same database."""
    address = {"host": client.url.split("//")[1].split(":")[0], "port": int(client.url.rsplit(":", 1)[1])}
    return clickhouse_connect.get_client(**address, database=client.database, **options)


def call(
    client: Client, method: str, body: bytes | None = None, headers: dict[str, str] | None = None, **parameters: str
) -> tuple[int, dict[str, str], bytes]:
    """One plain HTTP request: status, headers, body."""
    connection = http.client.HTTPConnection(client.url.split("//")[1], timeout=30)
    try:
        connection.request(method, "/?" + urlencode({"database": client.database, **parameters}), body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def marks_table(client: Client, name: str = "marks", settings: str = "") -> str:
    client.command(
        f"CREATE TABLE {name} (pupil_id UInt64, code LowCardinality(String), minutes_late Nullable(UInt16), "
        "recorded_at DateTime64(3, 'UTC'), session Enum8('AM' = 1, 'PM' = 2), seen Array(UInt32)) "
        f"ENGINE = MergeTree ORDER BY pupil_id {settings}"
    )
    return name


def arrow_marks(rows: int) -> pa.Table:
    return pa.table(
        {
            "pupil_id": pa.array(range(rows), pa.uint64()),
            "code": pa.array(["/", "\\", "L", "O"] * (rows // 4) + ["N"] * (rows % 4)).dictionary_encode(),
            "minutes_late": pa.array([None, 5] * (rows // 2) + [None] * (rows % 2), pa.uint16()),
            "recorded_at": pa.array([MOMENT] * rows, pa.timestamp("ms", "UTC")),
            "session": pa.array(["AM", "PM"] * (rows // 2) + ["AM"] * (rows % 2)),
            "seen": pa.array([[1, 2]] * rows, pa.list_(pa.uint32())),
        }
    )


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_rows_and_arrow_come_back_as_they_went_in(client: Client, compress: bool | str) -> None:
    marks_table(client)
    with another(client, compress=compress, tz_mode="aware") as other:
        other.insert("marks", [[7, "L", 12, MOMENT, "PM", [1]]], column_names="*")
        assert other.query("SELECT * FROM marks").result_rows == [(7, "L", 12, MOMENT, "PM", [1])]
        other.command("TRUNCATE TABLE marks")

        table = arrow_marks(70_001)
        summary = other.insert_arrow("marks", table)
        assert summary.written_rows == 70_001
        back = other.query_arrow("SELECT * FROM marks ORDER BY pupil_id")
        assert back.num_rows == 70_001
        assert back["minutes_late"].to_pylist() == table["minutes_late"].to_pylist()
        assert back["recorded_at"][0].as_py() == MOMENT
        assert len(other.query_df("SELECT pupil_id, code FROM marks WHERE pupil_id < 10")) == 10


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_large_results_stream_whole(client: Client, compress: bool | str) -> None:
    rows = 400_000
    select = f"SELECT number, toString(number) AS text FROM numbers({rows})"
    with another(client, compress=compress) as other:
        with other.query_arrow_stream(select) as batches:
            assert (
                sum(batch["number"].to_numpy(zero_copy_only=False).sum() for batch in batches) == rows * (rows - 1) // 2
            )
        with other.query_row_block_stream(select) as blocks:
            assert sum(len(block) for block in blocks) == rows
        assert other.raw_query(select, fmt="CSV").count(b"\n") == rows


def test_results_without_rows_keep_their_columns(client: Client) -> None:
    marks_table(client)
    empty = client.query("SELECT pupil_id, code FROM marks")
    assert (empty.column_names, empty.result_rows) == (("pupil_id", "code"), [])
    assert client.query_arrow("SELECT pupil_id, code FROM marks").schema.names == ["pupil_id", "code"]
    stream = pa.ipc.open_stream(client.raw_query("SELECT pupil_id, code FROM marks", fmt="ArrowStream"))
    assert stream.read_all().schema.names == ["pupil_id", "code"]
    assert client.raw_query("SELECT code FROM marks", fmt="CSVWithNames") == b'"code"\n'


def test_columns_of_results_without_rows_follow_tables_views_and_parameters(client: Client) -> None:
    marks_table(client)
    client.command("CREATE VIEW codes AS SELECT code FROM marks")
    for _ in range(2):
        assert client.query("SELECT * FROM codes").column_names == ("code",)
    client.command("CREATE OR REPLACE VIEW codes AS SELECT code, pupil_id FROM marks")
    assert client.query("SELECT * FROM codes").column_names == ("code", "pupil_id")
    client.command("ALTER TABLE marks ADD COLUMN late UInt8")
    for _ in range(2):
        assert client.query("SELECT * FROM marks").column_names[-1] == "late"
    client.command("DROP VIEW codes")
    client.command("CREATE TABLE codes (code UInt8) ENGINE = Memory")
    assert client.query("SELECT * FROM codes").column_types[0].name == "UInt8"
    for precision in (3, 6, 3):
        asked = client.query("SELECT toDateTime64(0, {p:UInt8}, 'UTC') AS at WHERE 0", parameters={"p": precision})
        assert asked.column_types[0].name == f"DateTime64({precision}, 'UTC')"


def test_parameters_are_bound_by_the_server(client: Client) -> None:
    text = 'it\'s a "tab"\t, a line\nand a \\ backslash'
    asked = client.query(
        "SELECT {text:String}, {day:Date}, {urns:Array(UInt32)}, {none:Nullable(String)}",
        parameters={"text": text, "day": dt.date(2026, 9, 10), "urns": [100000, 100001], "none": None},
    )
    assert asked.result_rows == [(text, dt.date(2026, 9, 10), [100000, 100001], None)]


def test_long_parameters_arrive_as_a_form(client: Client) -> None:
    ids = list(range(100_000, 120_000))
    assert client.query("SELECT length({ids:Array(UInt32)})", parameters={"ids": ids}).result_rows == [(20_000,)]


def test_settings_hold_for_one_query_only(client: Client) -> None:
    asked = "SELECT getSetting('max_block_size')"
    before = client.query(asked).result_rows
    assert client.query(asked, settings={"max_block_size": 1234}).result_rows == [(1234,)]
    assert client.query(asked).result_rows == before


def test_a_setting_of_any_type_is_what_set_makes_of_it(client: Client) -> None:
    """However the front hands it to the engine: plain values and others, two settings of each type and all of ours."""
    settings = client.query(
        "SELECT name, type, value FROM system.settings WHERE alias_for = '' AND tier = 'Production' ORDER BY name"
        " LIMIT 2 BY type UNION DISTINCT SELECT name, type, value FROM system.settings WHERE name IN ('async_insert',"
        " 'insert_deduplicate', 'insert_deduplication_token', 'join_algorithm', 'log_comment', 'max_memory_usage',"
        " 'max_threads', 'optimize_move_to_prewhere_if_final', 'optimize_on_insert', 'os_threads_nice_value_query')"
    ).result_rows
    numbers = {"Bool", "UInt64", "Int64", "Seconds", "Milliseconds", "Float", "MaxThreads", "UInt64Auto"}
    for name, of_type, value in settings:
        wanted = ["1", "0"] if of_type in numbers else []
        if of_type == "String":
            wanted = ["a-1.b", "it's & more = 100 %", ""]
        for one in [value, *wanted]:
            asked = f"SELECT toString(getSetting('{name}'))"
            text = one.replace("\\", "\\\\").replace("'", "\\'")
            (status, _, said) = call(client, "POST", f"{asked} SETTINGS {name} = '{text}'".encode())
            found = call(client, "POST", asked.encode(), **{name: one})
            assert found[0] == status, (name, one)
            assert status != 200 or found[2] == said, (name, one)


def test_who_may_only_read_may_say_in_the_same_breath_how(client: Client) -> None:
    asked = b"SELECT getSetting('log_comment'), getSetting('readonly')"
    for comment in ("plain", "not so plain"):
        assert call(client, "POST", asked, readonly="1", log_comment=comment)[::2] == (200, f"{comment}\t1\n".encode())


def test_a_session_remembers_what_was_set(client: Client) -> None:
    with another(client, session_id=uuid.uuid4().hex) as first, another(client, session_id=uuid.uuid4().hex) as second:
        first.command("SET max_block_size = 4321")
        assert first.query("SELECT getSetting('max_block_size')").result_rows == [(4321,)]
        assert second.query("SELECT getSetting('max_block_size')").result_rows != [(4321,)]


def test_temporary_tables_are_refused_and_not_lost(client: Client) -> None:
    with pytest.raises(DatabaseError, match="NOT_IMPLEMENTED"):
        client.command("CREATE TEMPORARY TABLE seen (urn UInt32)")


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM no_such_table", 60, 404),
        ("SELEC 1", 62, 400),
        ("SELECT no_such_column", 47, 404),
        ("SELECT throwIf(1)", 395, 500),
        ("SELECT toUInt8('x')", 6, 400),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115, 404),
        ("SELECT sleep(3) SETTINGS max_execution_time = 0.1", 159, 408),
    ],
)
def test_errors_have_the_codes_of_a_server(client: Client, sql: str, code: int, status: int) -> None:
    with pytest.raises(DatabaseError) as raised:
        client.query(sql)
    assert raised.value.code == code
    answered, headers, body = call(client, "POST", sql.encode())
    assert (answered, headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert body.startswith(f"Code: {code}. DB::Exception:".encode())


def test_unknown_settings_and_databases_are_errors(client: Client) -> None:
    assert call(client, "POST", b"SELECT 1", no_such_setting="1")[1]["X-ClickHouse-Exception-Code"] == "115"
    assert call(client, "POST", b"SELECT 1", **{"bad name": "1"})[1]["X-ClickHouse-Exception-Code"] == "115"
    assert call(client, "POST", b"SELECT 1", database="no_such")[1]["X-ClickHouse-Exception-Code"] == "81"


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_an_error_in_the_middle_of_a_result_reaches_the_client(client: Client, compress: bool | str) -> None:
    select = "SELECT throwIf(number = 3000000) FROM numbers(10000000)"
    with (
        another(client, compress=compress) as other,
        pytest.raises(StreamFailureError, match="395"),
        other.query_row_block_stream(select) as blocks,
    ):
        for _ in blocks:
            pass


def test_failed_inserts_raise_and_leave_nothing(client: Client) -> None:
    client.command(
        "CREATE TABLE checked (urn UInt32, CONSTRAINT urn_known CHECK urn >= 100000) ENGINE = MergeTree ORDER BY urn"
    )
    client.command("CREATE TABLE target (urn UInt32) ENGINE = MergeTree ORDER BY urn")
    client.command("CREATE TABLE source (urn UInt32) ENGINE = MergeTree ORDER BY urn")
    client.command("CREATE MATERIALIZED VIEW throwing TO target AS SELECT urn + throwIf(urn = 1) AS urn FROM source")
    for table, code in (("checked", 469), ("source", 395)):
        with pytest.raises(DatabaseError) as raised:
            client.insert_arrow(table, pa.table({"urn": pa.array([100000, 1], pa.uint32())}))
        assert raised.value.code == code
    assert client.query("SELECT count() FROM checked").result_rows == [(0,)]
    assert client.query("SELECT count() FROM target").result_rows == [(0,)]


def test_a_deduplication_token_makes_a_repeat_harmless(client: Client) -> None:
    marks_table(client, settings="SETTINGS non_replicated_deduplication_window = 100")
    for _ in range(2):
        client.insert_arrow("marks", arrow_marks(1000), settings={"insert_deduplication_token": "batch-1:marks"})
    client.insert_arrow("marks", arrow_marks(1000), settings={"insert_deduplication_token": "batch-2:marks"})
    assert client.query("SELECT count() FROM marks").result_rows == [(2000,)]


def test_an_arrow_batch_becomes_one_part(client: Client) -> None:
    marks_table(client)
    client.command("SYSTEM STOP MERGES marks")
    client.insert_arrow("marks", arrow_marks(300_000))
    parts = (
        "SELECT count(), sum(rows) FROM system.parts WHERE active AND table = 'marks' AND database = currentDatabase()"
    )
    assert client.query(parts).result_rows == [(1, 300_000)]


def test_inserts_in_the_forms_clients_use(client: Client) -> None:
    marks = "INSERT INTO urns FORMAT"
    client.command("CREATE TABLE urns (urn UInt32, name String DEFAULT 'x') ENGINE = MergeTree ORDER BY urn")
    statuses = [
        call(client, "POST", b"INSERT INTO urns VALUES (100001, 'FORMAT CSV')")[0],
        call(client, "POST", f"{marks} CSV\n100002,b".encode())[0],
        call(client, "POST", b"100003\tc\n", query=f"{marks} TabSeparated")[0],
        call(client, "POST", b'{"urn": 100004}', query="INSERT INTO urns (`urn`) FORMAT JSONEachRow")[0],
        call(client, "POST", b"INSERT INTO urns SETTINGS async_insert=0, log_comment='x' FORMAT CSV\n100005,e\n")[0],
        call(client, "POST", b"(100006, 'f')", query="INSERT INTO urns VALUES")[0],
        call(client, "POST", lz4.frame.compress(b"100007\tg\n"), {"Content-Encoding": "lz4"}, query=f"{marks} TSV")[0],
        call(client, "POST", b"INSERT INTO urns SELECT urn + 10, name FROM urns WHERE urn = 100001")[0],
    ]
    assert statuses == [200] * len(statuses)
    client.raw_insert("urns", ["urn", "name"], b"100008,h\n", fmt="CSV")
    found = client.query("SELECT urn, name FROM urns ORDER BY urn").result_rows
    assert [urn for urn, _ in found] == [*range(100001, 100009), 100011]
    assert found[0] == (100001, "FORMAT CSV")


def test_a_broken_compressed_body_is_an_error_and_the_connection_lives(client: Client) -> None:
    client.command("CREATE TABLE urns (urn UInt32) ENGINE = MergeTree ORDER BY urn")
    connection = http.client.HTTPConnection(client.url.split("//")[1], timeout=30)
    target = f"/?database={client.database}&query={quote('INSERT INTO urns FORMAT CSV')}"
    connection.request("POST", target, b"not lz4 at all" * 1000, {"Content-Encoding": "lz4"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("X-ClickHouse-Exception-Code")) == (500, "354")
    answer.read()
    connection.request("POST", target, b"100001\n")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.close()


def test_a_cut_off_body_inserts_nothing(client: Client) -> None:
    client.command("CREATE TABLE urns (urn UInt32) ENGINE = MergeTree ORDER BY urn")
    host, port = client.url.split("//")[1].split(":")
    with socket.create_connection((host, int(port))) as connection:
        target = f"/?database={client.database}&query={quote('INSERT INTO urns FORMAT CSV')}"
        connection.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n100001\n".encode())
    assert client.query("SELECT count() FROM urns").result_rows == [(0,)]


def test_a_query_ends_when_its_client_is_gone(client: Client) -> None:
    marker = uuid.uuid4().hex
    body = f"SELECT sum(sipHash64(number, '{marker}')) FROM numbers(1000000000000)".encode()
    running = f"SELECT count() FROM system.processes WHERE query LIKE '%{marker}%' AND query NOT LIKE '%processes%'"
    host, port = client.url.split("//")[1].split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    wait_until(lambda: client.query(running).result_rows == [(1,)])
    connection.close()
    wait_until(lambda: client.query(running).result_rows == [(0,)])


@pytest.mark.parametrize("answer_format", ["Native", "ArrowStream"])
def test_a_stream_dropped_half_way_ends_its_query_and_hurts_no_other(client: Client, answer_format: str) -> None:
    marker = uuid.uuid4().hex
    body = f"SELECT number, '{marker}' FROM numbers(1000000000000) FORMAT {answer_format}".encode()
    running = f"SELECT count() FROM system.processes WHERE query LIKE '%{marker}%' AND query NOT LIKE '%processes%'"
    host, port = client.url.split("//")[1].split(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    wait_until(lambda: client.query(running).result_rows == [(0,)])
    assert client.query("SELECT 1").result_rows == [(1,)]


def test_many_clients_at_once_get_their_own_answers(client: Client) -> None:
    wrong: list[Any] = []

    def ask(number: int) -> None:
        with another(client) as other:
            for turn in range(10):
                found = other.query(f"SELECT {number}, {turn}, sleep(0.01)").result_rows
                if found[0][:2] != (number, turn):
                    wrong.append(found)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_reader_reads_and_changes_nothing(client: Client) -> None:
    client.command("CREATE TABLE urns (urn UInt32) ENGINE = MergeTree ORDER BY urn")
    with another(client, username="reader") as reader:
        assert reader.query("SELECT count() FROM urns").result_rows == [(0,)]
        for statement in ("INSERT INTO urns VALUES (1)", "DROP TABLE urns", "SET readonly = 0", "TRUNCATE TABLE urns"):
            with pytest.raises(DatabaseError) as raised:
                reader.command(statement)
            assert raised.value.code == 164
        with pytest.raises(DatabaseError):
            reader.query("SELECT count() FROM urns", settings={"readonly": "0"}) and reader.command("DROP TABLE urns")


def test_get_requests_cannot_change_anything(client: Client) -> None:
    status, headers, _ = call(client, "GET", query="CREATE TABLE t (a UInt8) ENGINE = Memory")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (403, "164")
    assert call(client, "GET", query="SELECT 1 + 1")[2] == b"2\n"


def test_unknown_users_are_refused(client: Client) -> None:
    status, headers, _ = call(client, "POST", b"SELECT 1", {"X-ClickHouse-User": "stranger"})
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_ping_and_summary(client: Client) -> None:
    assert client.ping()
    status, headers, body = call(client, "POST", b"SELECT number FROM numbers(10) FORMAT JSONEachRow", query_id="mine")
    assert (status, headers["X-ClickHouse-Query-Id"], headers["X-ClickHouse-Format"]) == (200, "mine", "JSONEachRow")
    assert json.loads(headers["X-ClickHouse-Summary"])["result_rows"] == "10"
    assert body.splitlines()[-1] == b'{"number":9}'


def test_the_log_holds_codes_and_no_statement(client: Client, stack_home: Any) -> None:
    secret = uuid.uuid4().hex
    with pytest.raises(DatabaseError):
        client.query(f"SELECT nothing FROM nowhere WHERE pupil_ref = '{secret}'")
    logs = [path.read_bytes() for path in (stack_home / "logs").glob("clickhouse*")]
    assert any(b"failed with code 60 (UNKNOWN_TABLE)" in log for log in logs)
    assert not any(secret.encode() in log for log in logs)


def wait_until(condition: Any, seconds: float = 20.0) -> None:
    """Wait for something that must come about; the limit only keeps a failure from hanging."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.02)


def test_what_a_later_version_replaced_is_not_found_by_what_it_said(client: Client) -> None:
    """Derive has conditions on keys asked before FINAL merges; asked so of anything else, the row that lost answers."""
    client.command("CREATE TABLE latest (k UInt32, said String, v UInt8) ENGINE = ReplacingMergeTree(v) ORDER BY k")
    client.command("SYSTEM STOP MERGES latest")
    for said, version in (("old", 1), ("new", 2)):
        client.insert("latest", [[k, said, version] for k in range(20_000)], column_names=["k", "said", "v"])
    asked = {"optimize_move_to_prewhere_if_final": 1}
    for condition, found in (("said = 'old'", 0), ("said = 'new'", 20_000), ("v = 1 AND k = 7", 0), ("k IN (7, 8)", 2)):
        rows = client.query(f"SELECT count() FROM latest FINAL WHERE {condition}", settings=asked).result_rows
        assert rows == [(found,)], condition
    plan = "EXPLAIN actions = 1 SELECT said FROM latest FINAL WHERE k = 7 AND said = 'new'"
    prewhere = [line for (line,) in client.query(plan, settings=asked).result_rows if "Prewhere filter column" in line]
    assert prewhere
    assert not [line for line in prewhere if "said" in line]

"""Scoped users of the embedded front see their own schools and no other's, whatever they try."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from rollcall.domain.codes import CODES
from rollcall.settings import Settings
from rollcall.stack.clickhouse.members import FILE, give_password, take_password
from rollcall.stack.clickhouse.scoped import NAMED
from sinks import access
from sinks.clickhouse import connect
from tests.databases import Databases
from tests.sinks import rows

OURS, THEIRS = 100001, 100002
#: Pupils whose ids would tell that the other school was read.
SECRET = 987654321
WHY = {"author": "data manager", "reason": "of a test", "valid_from": date(2025, 1, 1)}


@dataclass(frozen=True)
class Door:
    """The scoped users' port, and a user of it who may see OURS."""

    port: int
    file: Path
    database: str
    user: str
    password: str
    admin: Any

    def client(self, **options: Any) -> Client:
        given = {"host": "127.0.0.1", "port": self.port, "username": self.user, "password": self.password}
        return clickhouse_connect.get_client(**{**given, **options})

    def http(self, sql: str, headers: dict[str, str] | None = None, **parameters: str) -> tuple[int, str]:
        """Status and body of a bare request, as curl would send it, as our user unless headers say otherwise."""
        known = {"X-ClickHouse-User": self.user, "X-ClickHouse-Key": self.password}
        url = f"http://127.0.0.1:{self.port}/?{urllib.parse.urlencode(parameters)}"
        request = urllib.request.Request(url, sql.encode(), known if headers is None else headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture(scope="module")
def door(embedded_stack: Any, stack_home: Path, databases: Databases) -> Iterator[Door]:
    port = json.loads((stack_home / "stack.json").read_text())["clickhouse_scoped"]["port"]
    file = stack_home / "clickhouse" / FILE
    with databases.one(failed=lambda: False) as database:
        settings = Settings.load(home=stack_home, clickhouse={"database": database})
        admin = connect(settings.clickhouse)
        rows.code_map(admin, {code.code: code.code for code in CODES})
        for urn, pupils in ((OURS, (1, 2)), (THEIRS, (SECRET, SECRET + 1))):
            rows.school(admin, urn, la_code="330" if urn == OURS else "331", trust_id="7" if urn == OURS else "8")
            rows.calendar(admin, urn)
            rows.timetable(admin, urn)
            rows.roster(admin, urn, [rows.pupil(one) for one in pupils])
        odd: dict[str, Any] = {"exceptions": ("upn_invalid",)}
        marks = [rows.mark(1, "/", **odd), rows.mark(SECRET, "U", urn=THEIRS, **odd)]
        rows.history(admin, marks)
        access.grant(admin, "office", "urn", str(OURS), **WHY)
        yield Door(port, file, database, "office", give_password(file, "office", database), admin)
        admin.close()


@pytest.fixture(scope="module")
def office(door: Door) -> Iterator[Client]:
    with door.client() as client:
        yield client


@pytest.mark.parametrize("query", sorted(NAMED))
def test_each_named_query_gives_the_users_own_schools_and_no_other(office: Client, query: str) -> None:
    needs = NAMED[query].needs
    asked = f"SELECT * FROM {query}({needs} = '{rows.DAY}')" if needs else f"SELECT * FROM {query}()"
    answer = office.query(asked)
    urns = {row[answer.column_names.index("urn")] for row in answer.result_rows}
    assert urns == (set() if query == "school_conflicts" else {OURS})


def test_the_figures_are_those_of_the_school(office: Client) -> None:
    (day,) = office.query(f"SELECT * FROM school_day(day = '{rows.DAY}')").named_results()
    assert (day["marks"], day["attendance"], day["attendance_rate"]) == (1, 1, 100.0)
    marks = office.query(f"SELECT * FROM school_marks(day = '{rows.DAY}', urn = {OURS})").named_results()
    assert [(one["pupil_id"], one["canonical_code"]) for one in marks] == [(1, "/")]
    missing = office.query(f"SELECT * FROM school_missing(day = '{rows.DAY}');").named_results()
    assert [(one["session"], one["pupil_id"]) for one in missing] == [("AM", 2), ("PM", 1), ("PM", 2)]
    (week,) = office.query("SELECT * FROM school_week(monday = '2025-09-08')").named_results()
    assert (week["days"], week["possible"], week["attendance_rate"]) == (1, 1, 100.0)


def test_clients_keep_their_formats_and_parameters(door: Door, office: Client) -> None:
    asked = "SELECT * FROM school_marks(day = {day:Date})"
    assert office.query(asked, parameters={"day": rows.DAY}).row_count == 1
    assert office.query_arrow(asked, parameters={"day": rows.DAY}).num_rows == 1
    names = [name for name, _, _ in office.query("SHOW TABLES").result_rows]
    assert names == list(NAMED)
    status, body = door.http(f"SELECT * FROM school_day(day = '{rows.DAY}') FORMAT JSONEachRow")
    assert (status, json.loads(body)["urn"]) == (200, OURS)


def test_a_grant_by_la_or_trust_and_its_end_hold_from_the_next_question(door: Door) -> None:
    with door.client(username="lead", password=give_password(door.file, "lead", door.database)) as client:
        assert client.query("SELECT * FROM my_schools()").result_rows == []
        access.grant(door.admin, "lead", "la", "331", **WHY)
        assert [row[0] for row in client.query("SELECT * FROM my_schools()").result_rows] == [THEIRS]
        access.grant(door.admin, "lead", "trust", "7", **WHY)
        assert [row[0] for row in client.query("SELECT * FROM my_schools()").result_rows] == [OURS, THEIRS]
        access.revoke(door.admin, "lead", "la", "331", author="data manager", reason="of a test")
        assert [row[0] for row in client.query("SELECT * FROM my_schools()").result_rows] == [OURS]
        take_password(door.file, "lead")
        with pytest.raises(DatabaseError) as raised:
            client.query("SELECT * FROM my_schools()")
        assert raised.value.code == 516


DAY = "day = '2025-09-10'"


@pytest.mark.parametrize(
    "sql",
    [
        # Another school, named or smuggled in.
        f"SELECT * FROM school_marks({DAY}, urn = 100002)",
        f"SELECT * FROM school_marks({DAY}, urn = '100002')",
        f"SELECT * FROM school_marks({DAY}, urn = 100001, urn = 100002)",
        f"SELECT * FROM school_marks({DAY}, urn = '100001) OR (1=1')",
        f"SELECT * FROM school_marks({DAY}, urn = '100001'' OR ''1')",
        f"SELECT * FROM school_marks({DAY}, urn = '100001\\' OR 1')",
        f"SELECT * FROM school_marks({DAY}, urn = [100001, 100002])",
        f"SELECT * FROM school_marks({DAY}, urn = 0)",
        f"SELECT * FROM school_marks({DAY}, urn = -1)",
        f"SELECT * FROM school_marks({DAY}, urn = (SELECT 100002))",
        f"SELECT * FROM school_marks({DAY}, schools = '[100002]')",
        f"SELECT * FROM school_marks({DAY}, schools = [100002])",
        "SELECT * FROM school_marks(day = '2025-09-10'' OR ''1'' = ''1')",
        "SELECT * FROM school_marks(day = '2025-09-10, urn = 100002')",
        "SELECT * FROM school_marks(day = now())",
        "SELECT * FROM school_marks(day = {day:Identifier})",
        "SELECT * FROM school_marks()",
        # More than the query.
        f"SELECT * FROM school_marks({DAY}) WHERE 1",
        f"SELECT * FROM school_marks({DAY}) UNION ALL SELECT * FROM marks_current",
        f"SELECT * FROM school_marks({DAY}) JOIN marks_current USING (urn)",
        f"SELECT * FROM school_marks({DAY}), marks_current",
        f"SELECT * FROM school_marks({DAY}) LIMIT (SELECT count() FROM marks_current)",
        f"SELECT * FROM school_marks({DAY}) ORDER BY (SELECT count() FROM marks_current)",
        f"SELECT * FROM school_marks({DAY}) SETTINGS additional_table_filters = {{'marks_current': '1'}}",
        f"SELECT * FROM school_marks({DAY}) SETTINGS max_threads = 1",
        f"SELECT * FROM school_marks({DAY}); SELECT * FROM marks_current",
        f"SELECT * FROM school_marks({DAY}) -- \n UNION ALL SELECT * FROM marks_current",
        f"SELECT * FROM school_marks({DAY}) /* */",
        f"/* */ SELECT * FROM school_marks({DAY})",
        f"SELECT * FROM school_marks({DAY}) INTO OUTFILE '/tmp/stolen'",
        f"SELECT * FROM (SELECT * FROM school_marks({DAY}))",
        f"SELECT *, (SELECT count() FROM marks_current) FROM school_marks({DAY})",
        f"SELECT count() FROM school_marks({DAY})",
        f"WITH x AS (SELECT * FROM marks_current) SELECT * FROM school_marks({DAY})",
        f"EXPLAIN SELECT * FROM school_marks({DAY})",
        f"EXPLAIN SYNTAX SELECT * FROM school_marks({DAY})",
        f"DESCRIBE school_marks({DAY})",
        f"SELECT * FROM school_marks({DAY}) FORMAT Template",
        f"SELECT * FROM school_marks({DAY}) FORMAT Null FORMAT JSON",
        f"SELECT * FROM school_marks({DAY}) FORMAT SQLInsert",
        # Tables, views, functions that read.
        "SELECT * FROM marks_current",
        "SELECT * FROM {db}.marks_current",
        "SELECT * FROM `marks_current`",
        "SELECT * FROM mark_event",
        "SELECT * FROM access_scope",
        "SELECT * FROM schools_in_scope",
        "SELECT * FROM merge('{db}', '^marks_current$')",
        "SELECT * FROM merge('{db}', '.*')",
        "SELECT * FROM remote('127.0.0.1', {db}, marks_current)",
        "SELECT * FROM cluster('default', {db}, marks_current)",
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM url('http://127.0.0.1', 'LineAsString')",
        "SELECT * FROM view(SELECT * FROM marks_current)",
        "SELECT * FROM Python(marks_current)",
        "SELECT * FROM numbers(10)",
        "SELECT dictGet('school', 'name', 1)",
        "SELECT 1 WHERE 1 IN marks_current",
        "SELECT (SELECT count() FROM marks_current)",
        "SELECT currentUser()",
        # The system.
        "SELECT * FROM system.tables",
        "SELECT * FROM system.processes",
        "SELECT * FROM system.query_log",
        "SELECT name, value, readonly FROM system.settings",
        "SELECT * FROM information_schema.tables",
        "SHOW TABLES FROM {db}",
        "SHOW DATABASES",
        "SHOW CREATE TABLE marks_current",
        "SHOW PROCESSLIST",
        # What changes something.
        "SET readonly = 0",
        "USE system",
        "SET additional_table_filters = {{'marks_current': '1'}}",
        "INSERT INTO access_scope (user, kind, value) VALUES ('office', 'urn', '100002')",
        "INSERT INTO access_scope FORMAT JSONEachRow {{}}",
        "INSERT INTO FUNCTION file('/tmp/stolen') SELECT * FROM {db}.marks_current",
        "CREATE VIEW mine AS SELECT * FROM marks_current",
        "CREATE FUNCTION mine AS () -> 1",
        "CREATE USER mine",
        "GRANT ALL ON *.* TO office",
        "EXECUTE AS default SELECT 1",
        "ALTER TABLE access_scope DELETE WHERE 1",
        "DROP TABLE access_scope",
        "KILL QUERY WHERE 1",
        "SYSTEM SHUTDOWN",
        "BACKUP TABLE marks_current TO Disk('x', 'y')",
        "CALL school_marks",
        "",
        ";",
    ],
)
def test_everything_else_is_refused(door: Door, sql: str) -> None:
    """Access denied (497), whatever it is; an empty statement is called so (62)."""
    text = sql.replace("{db}", door.database).replace("{{", "{").replace("}}", "}")
    status, body = door.http(text, param_day="2025-09-10", param_schools="[100002]")
    assert status >= 400, body
    assert body.startswith("Code: 497" if sql else "Code: 62"), body
    assert str(SECRET) not in body
    assert "100002" not in body.replace(text, "")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"database": "default"}, 497),
        ({"database": "system"}, 497),
        ({"default_format": "Template"}, 497),
        ({"readonly": "0"}, 497),
        ({"additional_table_filters": "{'school_days': '1'}"}, 497),
        ({"additional_result_filter": "1"}, 497),
        ({"format_template_resultset": "/etc/passwd"}, 497),
        ({"format_schema": "/etc/passwd"}, 497),
        ({"output_format_schema": "/tmp/stolen"}, 497),
        ({"use_query_cache": "1"}, 497),
        ({"log_comment": "x"}, 497),
        ({"session_timezone": "Asia/Tokyo"}, 497),
        ({"allow_introspection_functions": "1"}, 497),
    ],
)
def test_parameters_of_the_request_change_nothing(door: Door, parameters: dict[str, str], code: int) -> None:
    status, body = door.http(f"SELECT * FROM school_marks({DAY})", **parameters)
    assert status >= 400
    assert body.startswith(f"Code: {code}"), body


@pytest.mark.parametrize(
    "parameters",
    [
        {"param_schools": "[100002]"},
        {"param_day": "2025-09-10", "param_user": "lead"},
        {"role": "default"},
        {"query_id": "x' OR 1"},
        {"quota_key": "lead"},
        {"session_id": "theirs"},
        {"user": "default", "password": ""},
        {"user": "lead"},
    ],
)
def test_what_else_is_sent_beside_the_question_does_not_widen_it(door: Door, parameters: dict[str, str]) -> None:
    status, body = door.http(f"SELECT * FROM school_marks({DAY}) FORMAT JSONEachRow", **parameters)
    assert status == 200
    assert [json.loads(line)["pupil_id"] for line in body.splitlines()] in ([1], ["1"])


def test_the_statement_may_come_in_two_parts_and_is_judged_whole(door: Door) -> None:
    status, body = door.http("\nUNION ALL SELECT * FROM marks_current", query=f"SELECT * FROM school_marks({DAY})")
    assert (status, body[:9]) == (403, "Code: 497")
    status, body = door.http(f"({DAY}) FORMAT TSV", query="SELECT * FROM school_marks")
    assert status == 200
    assert str(SECRET) not in body


@pytest.mark.parametrize("name", ["default", "reader", "analyst", "nobody", "OFFICE", "office ", ""])
def test_nobody_else_is_let_in(door: Door, name: str) -> None:
    """Those who need no password at the first port are strangers at this one."""
    for password in ("", door.password):
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        for headers in ({"X-ClickHouse-User": name, "X-ClickHouse-Key": password}, {"Authorization": f"Basic {basic}"}):
            status, body = door.http("SELECT 1", headers)
            assert (status, body[:9]) == (403, "Code: 516"), body
    status, body = door.http("SELECT 1", {"X-ClickHouse-User": door.user, "X-ClickHouse-Key": "wrong"})
    assert (status, body[:9]) == (403, "Code: 516")


def test_scoped_users_are_strangers_at_the_first_port(door: Door, stack: Any) -> None:
    with pytest.raises(ClickHouseError):
        door.client(port=stack.clickhouse_port)


def test_what_a_session_has_said_is_not_said_for_a_scoped_user(door: Door) -> None:
    """The first port keeps a session's SET; the same session id at this port knows nothing of it."""
    assert door.http("SET max_threads = 1", session_id="shared")[1].startswith("Code: 497")
    status, _ = door.http("SELECT * FROM my_schools()", session_id="shared")
    assert status == 200


def test_external_data_is_refused(door: Door) -> None:
    part = '--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT * FROM marks_current\r\n--x--'
    known = {"X-ClickHouse-User": door.user, "X-ClickHouse-Key": door.password}
    status, body = door.http(part, {**known, "Content-Type": "multipart/form-data; boundary=x"})
    assert (status, body[:9]) == (403, "Code: 497"), body


def test_the_command_makes_a_password_that_works(door: Door, stack_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from rollcall.cli.app import build

    monkeypatch.setenv("ROLLCALL_HOME", str(stack_home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", door.database)
    done = CliRunner().invoke(build(), ["access", "password", "new.user"])
    assert done.exit_code == 0, done.output
    password = done.stdout.strip()
    assert password not in door.file.read_text()
    with door.client(username="new.user", password=password) as client:
        assert client.query("SELECT * FROM my_schools()").result_rows == []
    done = CliRunner().invoke(build(), ["access", "password", "new.user", "--remove"])
    assert done.exit_code == 0, done.output
    with pytest.raises(ClickHouseError):
        door.client(username="new.user", password=password)

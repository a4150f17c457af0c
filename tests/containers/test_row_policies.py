"""Row policies on a ClickHouse server: a scoped user sees one school in every granted view, and gets no further.

It needs a container engine: the embedded engine knows no users, and only parses what is tested here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from rollcall.domain.codes import CODES
from sinks import access
from sinks.migrate import migrate
from tests.containers.stack import image, why_no_engine
from tests.sinks import rows

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

OURS, THEIRS = 100001, 100002
#: A pupil of the other school, whose id would tell that it was read.
SECRET = 987654321
WHY = {"author": "data manager", "reason": "of a test", "valid_from": date(2025, 1, 1)}
PASSWORD = "Only-of-this-test-1"


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    """How to reach a ClickHouse server with two schools, and a user `office` who may see one of them."""
    if reason := why_no_engine():
        pytest.skip(reason)
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    container = (
        DockerContainer(image("clickhouse"))
        .with_exposed_ports(8123)
        .with_envs(CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT="1")
        .waiting_for(HttpWaitStrategy(8123, "/ping").for_status_code(200))
    )
    with container:
        where = {"host": container.get_container_host_ip(), "port": int(container.get_exposed_port(8123))}
        with clickhouse_connect.get_client(**where, autogenerate_session_id=False) as admin:
            assert migrate(admin, "rollcall").skipped == ()
            _fill(admin)
            for user, role in (("office", "rollcall_scoped"), ("wide", "rollcall_analyst")):
                admin.command(f"CREATE USER {user} IDENTIFIED WITH sha256_password BY '{PASSWORD}'")
                admin.command(f"GRANT {role} TO {user}")
                admin.command(f"SET DEFAULT ROLE {role} TO {user}")
            access.grant(admin, "office", "urn", str(OURS), **WHY)
        yield where


def _fill(admin: Any) -> None:
    rows.code_map(admin, {code.code: code.code for code in CODES})
    for urn, pupils in ((OURS, (1, 2)), (THEIRS, (SECRET, SECRET + 1))):
        rows.school(admin, urn)
        rows.calendar(admin, urn)
        rows.timetable(admin, urn)
        rows.roster(admin, urn, [rows.pupil(one) for one in pupils])
    rows.history(admin, [rows.mark(1, "/"), rows.mark(SECRET, "U", urn=THEIRS)])


@pytest.fixture(scope="module")
def office(server: dict[str, Any]) -> Iterator[Any]:
    with _as(server, "office") as client:
        yield client


def _as(server: dict[str, Any], user: str) -> Any:
    return clickhouse_connect.get_client(**server, username=user, password=PASSWORD, database="rollcall")


def test_every_granted_view_with_a_school_shows_one(office: Any) -> None:
    views = [name for (name,) in office.query("SHOW TABLES").result_rows]
    assert "marks_current" in views
    assert "mark_event" not in views
    for view in set(views) - {"code_categories"}:
        urns = {urn for (urn,) in office.query(f"SELECT DISTINCT urn FROM {view}").result_rows}
        assert urns <= {OURS}, view
    assert office.query("SELECT DISTINCT urn FROM marks_current").result_rows == [(OURS,)]
    assert office.query("SELECT urn FROM schools_in_scope").result_rows == [(OURS,)]


def test_analysts_and_the_pipeline_itself_see_all_as_before(server: dict[str, Any]) -> None:
    with _as(server, "wide") as client:
        assert client.query("SELECT uniqExact(urn) FROM marks_current").result_rows == [(2,)]
    with clickhouse_connect.get_client(**server, database="rollcall") as admin:
        assert admin.query("SELECT uniqExact(urn) FROM school_days").result_rows == [(2,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT urn, pupil_id FROM rollcall.marks_current",
        "SELECT m.urn, m.pupil_id FROM marks_current AS m JOIN marks_current AS n ON 1",
        "SELECT urn, pupil_id FROM marks_current UNION ALL SELECT urn, pupil_id FROM marks_history",
        "SELECT urn, pupil_id FROM (SELECT * FROM (SELECT * FROM marks_history))",
        "WITH x AS (SELECT * FROM marks_current) SELECT urn, pupil_id FROM x",
        "SELECT urn, pupil_id FROM marks_current WHERE urn = 100002 OR 1",
        "SELECT urn, pupil_id FROM marks_current SETTINGS additional_table_filters = {'marks_current': '1'}",
        "SELECT urn, pupil_id FROM marks_current SETTINGS optimize_move_to_prewhere = 0, enable_analyzer = 0",
        "SELECT urn, pupil_id FROM marks_current WHERE NOT throwIf(urn = 100002)",
        "SELECT urn, pupil_id FROM view(SELECT * FROM marks_current)",
        "SELECT urn, pupil_id FROM merge('rollcall', '^(marks_current|marks_history|marks_live)$')",
    ],
)
def test_a_view_shows_the_same_however_it_is_named(office: Any, sql: str) -> None:
    """Each is answered with our school alone, or refused; it neither shows nor tells of the other."""
    refused = None
    found: list[Any] = []
    try:
        found = list(office.query(sql).result_rows)
    except DatabaseError as error:
        refused = error
    assert refused is None or refused.code in {164, 497}, str(refused)
    assert {row[0] for row in found} <= {OURS}
    assert SECRET not in {row[1] for row in found}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM mark_event",
        "SELECT * FROM access_scope",
        "SELECT * FROM messages_archived",
        "SELECT * FROM school_lineage",
        "SELECT * FROM merge('rollcall', '^mark_event$')",
        "SELECT * FROM remote('127.0.0.1', rollcall, mark_event)",
        "SELECT * FROM remote('127.0.0.1', rollcall, marks_current, 'default', '')",
        "SELECT * FROM cluster('default', rollcall, marks_current)",
        "SELECT * FROM file('x', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1', 'LineAsString')",
        "SELECT dictGet('rollcall.x', 'y', 1)",
        "SELECT * FROM system.query_log",
        "SELECT * FROM system.row_policies",
        "SET ROLE ALL EXCEPT rollcall_scoped",
        "EXECUTE AS default SELECT * FROM marks_current",
        "CREATE VIEW mine AS SELECT * FROM marks_current",
        "CREATE TABLE schools_in_scope (urn UInt32) ENGINE = Memory",
        "CREATE DICTIONARY d (urn UInt32) PRIMARY KEY urn SOURCE(CLICKHOUSE(TABLE 'mark_event')) LAYOUT(FLAT())"
        " LIFETIME(0)",
        "DROP ROW POLICY rollcall_scoped ON marks_current",
        "CREATE ROW POLICY mine ON marks_current USING 1 TO ALL",
        "GRANT rollcall_analyst TO office",
        "INSERT INTO access_scope (user, kind, value) VALUES ('office', 'urn', '100002')",
    ],
)
def test_nothing_beside_the_views_can_be_reached(office: Any, sql: str) -> None:
    if sql.startswith("SET ROLE"):
        office.command(sql)
        with pytest.raises(DatabaseError):
            office.query("SELECT * FROM marks_current")
        office.command("SET ROLE DEFAULT")
        return
    with pytest.raises(DatabaseError) as raised:
        office.command(sql)
    assert str(SECRET) not in str(raised.value)


def test_limits_hold_on_the_server(server: dict[str, Any], office: Any) -> None:
    asked = "SELECT toInt64(getSetting('priority')), toInt64(getSetting('max_execution_time'))"
    with clickhouse_connect.get_client(**server, username="wide", password=PASSWORD, database="rollcall") as wide:
        assert wide.query(asked).result_rows == [(10, 300)]
        with pytest.raises(DatabaseError, match="452"):  # SETTING_CONSTRAINT_VIOLATION
            wide.query("SELECT 1 SETTINGS priority = 1")
    assert office.query(asked).result_rows == [(1, 30)]


def test_a_policy_that_lets_more_through_does_not_widen_the_scope(server: dict[str, Any], office: Any) -> None:
    with clickhouse_connect.get_client(**server, database="rollcall") as admin:
        admin.command("CREATE ROW POLICY careless ON marks_current USING 1 TO office")
        assert office.query("SELECT DISTINCT urn FROM marks_current").result_rows == [(OURS,)]


def test_a_grant_holds_from_the_next_question_and_so_does_its_end(server: dict[str, Any], office: Any) -> None:
    with clickhouse_connect.get_client(**server, database="rollcall") as admin:
        access.grant(admin, "office", "urn", str(THEIRS), **WHY)
        assert office.query("SELECT uniqExact(urn) FROM marks_current").result_rows == [(2,)]
        access.revoke(admin, "office", "urn", str(THEIRS), author="data manager", reason="of a test")
        assert office.query("SELECT uniqExact(urn) FROM marks_current").result_rows == [(1,)]

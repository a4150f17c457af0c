"""The commands that read ClickHouse: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain.codes import CODES
from rollcall.errors import UsageError
from rollcall.settings import Settings
from tests.sinks import rows

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `rollcall ...` against this test's database, as a person does: settings from the environment."""
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    monkeypatch.setenv("ROLLCALL_WORKER__GROUP", settings.worker.group)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build(), list(arguments))

    return run


@pytest.fixture
def day(clickhouse: Any) -> Any:
    """One school, two pupils, one of them with a mark this morning."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    rows.school(clickhouse, 100001, name="Low Primary")
    rows.roster(clickhouse, 100001, [rows.pupil(1), rows.pupil(2)])
    rows.timetable(clickhouse, 100001)
    rows.calendar(clickhouse, 100001)
    rows.history(clickhouse, [rows.mark(1, "L", exceptions=("upn_invalid",))])
    return clickhouse


def test_report_day_prints_the_day(run: Run, day: Any) -> None:
    result = run("report", "day", "--date", "2025-09-10")
    assert result.exit_code == 0
    assert "Wednesday 10 September 2025" in result.stdout
    assert "statutory" in result.stdout
    assert "100.00" in result.stdout
    assert "upn_invalid 1" in result.stdout


def test_report_day_by_school_prints_a_line_each(run: Run, day: Any) -> None:
    result = run("report", "day", "--date", "2025-09-10", "--by", "school")
    assert "Low Primary (100001)" in result.stdout


def test_report_day_json(run: Run, day: Any) -> None:
    document = json.loads(run("report", "day", "--date", "2025-09-10", "--by", "phase", "--json").stdout)
    assert (document["basis"], document["scope"], document["by"]) == ("statutory", "headline", "phase")
    assert document["total"]["possible"] == 1
    assert document["total"]["late_rate"] == 100.0
    assert document["total"]["missing_marks"] == 3
    assert [line["key"] for line in document["lines"]] == ["Primary"]
    assert document["exceptions"] == {"upn_invalid": 1}


def test_a_date_that_is_none_is_the_users_mistake(run: Run) -> None:
    result = run("report", "day", "--date", "yesterday")
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2


def test_verify_ends_with_0_when_equal_and_1_when_not(run: Run, day: Any) -> None:
    result = run("verify")
    assert result.exit_code == 0
    assert result.stdout.startswith("equal: 1 rows of mark_assertion")
    rows.history(day, [rows.mark(2, batch=2)], derived=False)
    result = run("verify", "--date", "2025-09-10", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["equal"] is False
    assert {one["table"] for one in document["differences"]} == {"mark_current", "school_session"}


def test_reconcile_ends_with_1_when_something_does_not_fit(run: Run, day: Any) -> None:
    """The mark of the day stands in the history, and no ledger speaks of it."""
    result = run("reconcile", "--offline")
    assert result.exit_code == 1
    assert "1 messages stand in the tables and in no range of the ledger" in result.stdout
    document = json.loads(run("reconcile", "--offline", "--json").stdout)
    assert document["gap"] == 1


def test_reconcile_asks_kafka(run: Run, settings: Settings) -> None:
    result = run("reconcile", "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["gap"] == 0
    assert document["group"] == settings.worker.group


def quarantine(client: Any, value: bytes, reason: str = "contradicts_itself") -> None:
    place = {"topic": rows.REGISTER_TOPIC, "topic_id": rows.TOPIC_ID, "partition": 3, "offset": 7}
    rows.insert(
        client, "quarantine", [{"reason": reason, "urn": 100001, "item": 0, "ingested_at": rows.ARRIVED, **place}]
    )
    message = {"key": b"100001", "value": value, "is_null": False, "produced_at": rows.ARRIVED}
    rows.insert(client, "quarantine_message", [{**message, "ingested_at": rows.ARRIVED, **place}])


def register(registered: dict[str, int]) -> bytes:
    import schemas
    from schemas import wire

    record = {
        "submission_id": "5f1c",
        "urn": 100001,
        "source": "classroom",
        "group_id": "7A",
        "session_date": rows.DAY,
        "session": "AM",
        "period": None,
        "complete": True,
        "revision": 1,
        "opened_at": None,
        "closed_at": None,
        "submitted_at": rows.ARRIVED,
        "taken_by": "S012",
        "code_scheme": "national",
        "marks": [{"pupil_ref": "a-pupil-of-the-school", "pupil_scheme": "mis", "code": "/", "minutes_late": None}],
        "amendments": [],
    }
    return wire.encode(schemas.parsed(rows.REGISTER_TOPIC), registered[rows.REGISTER_TOPIC], record)


@pytest.fixture
def register_id(stack: Any) -> dict[str, int]:
    """The schemas of the marks, registered."""
    from schemas.registry import Registry

    with Registry(stack.registry) as registry:
        registry.register_all()
        return registry.ids()


def test_quarantine_list_counts_and_says_what_to_do(run: Run, clickhouse: Any) -> None:
    assert run("quarantine", "list").stdout == "nothing is in quarantine\n"
    quarantine(clickhouse, b"")
    printed = run("quarantine", "list").stdout
    assert "contradicts_itself: 1 in 1 messages of 1 schools" in printed
    assert "What to do: Correct the register" in printed
    entries = json.loads(run("quarantine", "list", "--reason", "contradicts_itself", "--json").stdout)
    assert [(one["topic"], one["partition"], one["offset"], one["item"]) for one in entries] == [
        (rows.REGISTER_TOPIC, 3, 7, 0)
    ]
    assert f"{rows.REGISTER_TOPIC}/3/7" in run("quarantine", "list", "--reason", "contradicts_itself").stdout


def test_quarantine_show_reads_the_message_without_its_pupils(
    run: Run, clickhouse: Any, register_id: dict[str, int]
) -> None:
    quarantine(clickhouse, register(register_id))
    result = run("quarantine", "show", f"{rows.REGISTER_TOPIC}/3/7")
    assert result.exit_code == 0
    assert '"group_id": "7A"' in result.stdout
    assert "a-pupil-of-the-school" not in result.stdout
    document = json.loads(run("quarantine", "show", f"{rows.REGISTER_TOPIC}/3/7", "--references", "--json").stdout)
    assert document["record"]["marks"][0]["pupil_ref"] == "a-pupil-of-the-school"
    assert bytes.fromhex(document["value_hex"]) == register(register_id)


def test_quarantine_show_says_why_bytes_cannot_be_read(run: Run, clickhouse: Any, register_id: dict[str, int]) -> None:
    quarantine(clickhouse, register(register_id)[:-9], "undecodable")
    document = json.loads(run("quarantine", "show", f"{rows.REGISTER_TOPIC}/3/7", "--json").stdout)
    assert document["record"] is None
    assert "the bytes do not decode" in document["not_read_because"]
    assert "value_hex" not in document


def test_quarantine_replay_says_first_what_it_would_send(run: Run, clickhouse: Any) -> None:
    quarantine(clickhouse, b"", "unknown_pupil")
    result = run("quarantine", "replay", "--reason", "unknown_pupil", "--dry-run")
    assert result.stdout == "1 entries of 1 messages would be sent again\n"
    document = json.loads(run("quarantine", "replay", "--urn", "100002", "--dry-run", "--json").stdout)
    assert document == {
        "run": "", "entries": 0, "messages": 0, "without_bytes": 0,
        "left": {"on_their_way": 0, "of_other_topics": 0, "bad_replays": 0},
    }  # fmt: skip
    assert clickhouse.query("SELECT count() FROM quarantine_trail").result_rows == [(0,)]


def test_quarantine_discard_closes_with_a_reason_and_show_tells_the_story(run: Run, clickhouse: Any) -> None:
    quarantine(clickhouse, b"")
    wanted = ("quarantine", "discard", "--reason", "contradicts_itself", "--reason-text", "sent again by the school")
    assert run(*wanted, "--dry-run").stdout == "1 entries of 1 messages would be discarded\n"
    assert "contradicts_itself: 1" in run("quarantine", "list").stdout
    assert "1 entries of 1 messages discarded by run" in run(*wanted, "--by", "S012").stdout
    assert run("quarantine", "list").stdout == "nothing is in quarantine\n"
    for option in ("--closed", "--all"):
        assert "contradicts_itself: 1" in run("quarantine", "list", option).stdout
    printed = run("quarantine", "show", f"{rows.REGISTER_TOPIC}/3/7").stdout
    assert "refused: contradicts_itself" in printed
    assert "discarded by S012" in printed
    assert "sent again by the school" in printed
    assert "0 entries" in run(*wanted).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("discard", "--reason-text", "all of it"),
        ("discard", "--reason-text", " ", "--urn", "100001"),
        ("replay", "--since", "yesterday"),
        ("replay", "--reason", "bad_weather"),
        ("replay", "--by", "healing"),
        ("list", "--all", "--closed"),
        ("exceptions", "--from", "10 September"),
        ("exceptions", "--from", "2025-09-10", "--exception", "bad_weather"),
    ],
)
def test_quarantine_commands_say_what_they_cannot_do(run: Run, arguments: tuple[str, ...]) -> None:
    assert isinstance(run("quarantine", *arguments).exception, UsageError)


def test_quarantine_exceptions_counts_findings_and_says_what_to_do(run: Run, day: Any) -> None:
    assert run("quarantine", "exceptions", "--from", "2024-01-08").stdout == "no findings about accepted marks\n"


@pytest.mark.parametrize("place", ["attendance.register.v1", "attendance.register.v1/x/1", "//", "a/1/"])
def test_a_place_is_topic_partition_offset(run: Run, place: str) -> None:
    assert isinstance(run("quarantine", "show", place).exception, UsageError)


def test_sql_prints_a_table_and_json(run: Run, day: Any) -> None:
    query = "SELECT session_date, pupil_id, canonical_code, minutes_late FROM marks_current;"
    printed = run("sql", query).stdout
    assert "canonical_code" in printed
    assert "2025-09-10" in printed
    assert json.loads(run("sql", query, "--json").stdout) == [
        {"session_date": "2025-09-10", "pupil_id": 1, "canonical_code": "L", "minutes_late": None}
    ]


def test_sql_shows_so_many_rows_and_says_so(run: Run) -> None:
    printed = run("sql", "SELECT number FROM numbers(500)").stdout
    assert "100 of 500 rows" in printed
    assert "of 500" not in run("sql", "SELECT number FROM numbers(500)", "--limit", "0").stdout


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO touched (batch) VALUES (1)",
        "DROP TABLE mark_event",
        "TRUNCATE TABLE mark_event",
        "ALTER TABLE mark_event DELETE WHERE 1",
        "SELECT 1 SETTINGS readonly = 0",
        "no sql at all",
    ],
)
def test_sql_refuses_what_writes_and_what_it_cannot_read(run: Run, day: Any, query: str) -> None:
    result = run("sql", query)
    assert isinstance(result.exception, UsageError)
    assert "ClickHouse refuses" in str(result.exception)
    assert day.query("SELECT count() FROM mark_event").result_rows == [(1,)]


def test_migrate_twice_says_that_there_is_nothing_to_do(run: Run, settings: Settings) -> None:
    result = run("migrate")
    assert result.exit_code == 0
    assert f"database {settings.clickhouse.database} is up to date" in result.stdout
    assert json.loads(run("migrate", "--dry-run", "--json").stdout)["pending"] == []

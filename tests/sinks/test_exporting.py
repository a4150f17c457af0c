"""`rollcall export`: what the files hold is what the tables hold, whatever was killed in between."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from rollcall.domain.clock import OPEN_END
from rollcall.domain.codes import CODES
from rollcall.errors import UsageError
from rollcall.settings import Settings
from sinks.clickhouse import connect
from sinks.exporting import LEFT_OUT, TABLES, WHATS, Export
from tests.databases import Databases
from tests.sinks import rows

ROOT = Path(__file__).parents[2]
EVER = date(1970, 1, 1)
OCTOBER = date(2025, 10, 1)
#: No UTF-8, as a message on Kafka may be.
BYTES = b"\x00\x00\xff\xfe'\n"


@pytest.fixture(scope="module")
def loaded(stack: Any, stack_home: Path, databases: Databases) -> Iterator[tuple[Settings, Any]]:
    """Marks of two days in two months, one amended, one refused with its bytes, and their reference data."""
    with databases.one(failed=lambda: False) as database:
        settings = Settings.load(home=stack_home, clickhouse={"database": database})
        client = connect(settings.clickhouse)
        rows.code_map(client, {code.code: code.code for code in CODES})
        rows.school(client, 100001, name="St Mary's, naïve")
        rows.calendar(client, 100001)
        rows.timetable(client, 100001)
        rows.roster(client, 100001, [rows.pupil(1), rows.pupil(2)])
        marks = [rows.mark(1, "/"), rows.mark(2, "N"), rows.mark(1, "L", session_date=OCTOBER, minutes_late=7)]
        rows.history(client, marks)
        rows.history(client, [rows.mark(2, "I", offset=9, asserted_at=datetime(2025, 9, 10, 9, tzinfo=UTC))])
        rows.insert(client, "crosswalk", [{"urn": 100001, "scheme": "mis", "ref": "ref-1", "pupil_id": 1}])
        place = {"topic": rows.REGISTER_TOPIC, "topic_id": rows.TOPIC_ID, "partition": 0, "offset": 8}
        said = {**place, "ingested_at": rows.ARRIVED}
        rows.insert(client, "quarantine", [{**said, "item": 0, "reason": "unknown_pupil", "urn": 100001}])
        rows.insert(client, "quarantine_message", [{**said, "value": BYTES}])
        yield settings, client
        client.close()


def export(settings: Settings, client: Any, folder: Path, **asked: Any) -> Export:
    given = {"first": EVER, "last": OPEN_END, "what": WHATS, **asked}
    made = Export(folder, settings.clickhouse.database, **given)
    for _ in made.run(client):
        pass
    return made


@pytest.fixture(scope="module")
def whole(loaded: tuple[Settings, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """All of it, and its manifest as it stands on disk."""
    folder = tmp_path_factory.mktemp("export") / "all"
    export(*loaded, folder)
    return folder, json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def test_every_table_is_exported_or_said_to_be_left_out(loaded: tuple[Settings, Any]) -> None:
    found = loaded[1].query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND endsWith(engine, 'MergeTree')"
    )
    assert {name for (name,) in found.result_rows} == {table.name for table in TABLES} | LEFT_OUT.keys()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_files_hold_what_the_table_holds(
    loaded: tuple[Settings, Any], whole: tuple[Path, dict[str, Any]], table: Any
) -> None:
    """The manifest's count and hash are the file's, and a table made of its columns and the files is the table."""
    client, (folder, manifest) = loaded[1], whole
    said = manifest["tables"][table.name]
    names = [column["name"] for column in said["columns"]]
    columns = ", ".join(f"`{column['name']}` {column['type']}" for column in said["columns"])
    client.command("DROP TABLE IF EXISTS brought_back")
    client.command(f"CREATE TABLE brought_back ({columns}) ENGINE = Memory")
    for one in said["files"]:
        content = (folder / one["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (one["bytes"], one["sha256"])
        read = pq.read_table(folder / one["path"])
        assert (read.column_names, read.num_rows) == (names, one["rows"])
        client.raw_insert("brought_back", insert_block=content, fmt="Parquet")
    final = "FINAL" if "ReplacingMergeTree" in said["create"] else ""
    seen = "SELECT count(), sum(cityHash64(*)) FROM"
    there = client.query(f"{seen} {table.name} {final}").result_rows
    assert client.query(f"{seen} brought_back").result_rows == there
    assert there[0][0] == said["rows"]
    client.command("DROP TABLE brought_back SYNC")


def test_the_tables_compared_are_not_all_empty(whole: tuple[Path, dict[str, Any]]) -> None:
    held = {name for name, table in whole[1]["tables"].items() if table["rows"]}
    assert held >= {"mark_event", "mark_current", "school_session", "quarantine_message", "crosswalk", "enrolment"}


def test_values_arrive_as_they_were(loaded: tuple[Settings, Any], whole: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = whole
    history = pl.read_parquet(folder / "history/mark_event/2025-10-01.parquet")
    mark = history.row(0, named=True)
    assert (mark["session_date"], mark["urn"], mark["pupil_id"], mark["raw_code"]) == (OCTOBER, 100001, 1, "L")
    assert (mark["minutes_late"], mark["ingested_at"]) == (7, rows.ARRIVED)
    current = pl.read_parquet(folder / "current/mark_current/2025-09-10.parquet")
    assert sorted(current.filter("is_mark")["canonical_code"]) == ["/", "I"]
    school = pl.read_parquet(folder / "reference/school/all.parquet")
    assert school["name"].to_list() == ["St Mary's, naïve"]
    refused = pl.read_parquet(folder / "quarantine/quarantine_message/2026-02.parquet")
    assert refused["value"].to_list() == [BYTES]


def test_days_and_months_have_files_of_their_own(whole: tuple[Path, dict[str, Any]]) -> None:
    folder, manifest = whole
    assert sorted(file.name for file in (folder / "history/mark_event").iterdir()) == [
        "2025-09-10.parquet",
        "2025-10-01.parquet",
    ]
    assert sorted(file.name for file in (folder / "counts/school_session").iterdir()) == [
        "2025-09.parquet",
        "2025-10.parquet",
    ]
    on_disk = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    named = {one["path"] for table in manifest["tables"].values() for one in table["files"]}
    assert on_disk == named | {"manifest.json"}


def test_dates_bound_what_has_a_session_date_and_nothing_else(loaded: tuple[Settings, Any], tmp_path: Path) -> None:
    made = export(*loaded, tmp_path / "october", first=OCTOBER, last=OCTOBER, what=("history", "counts", "reference"))
    assert made.finished is not None
    tables = made.finished["tables"]
    assert tables["mark_event"]["rows"] == 1
    assert [one["path"] for one in tables["school_session"]["files"]] == ["counts/school_session/2025-10.parquet"]
    assert tables["enrolment"]["rows"] == 2
    assert "mark_current" not in tables


@pytest.mark.parametrize("nth", [1, 4, 9])
def test_a_killed_export_is_gone_on_with_and_writes_no_finished_file_again(
    loaded: tuple[Settings, Any], whole: tuple[Path, dict[str, Any]], tmp_path: Path, nth: int
) -> None:
    settings, client = loaded
    folder = tmp_path / "killed"
    environment = {
        **os.environ,
        "ROLLCALL_HOME": str(settings.home),
        "ROLLCALL_CLICKHOUSE__DATABASE": settings.clickhouse.database,
    }
    script = str(Path(__file__).with_name("killed_export.py"))
    command = [sys.executable, script, str(folder), str(nth)]
    killed = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert not (folder / "manifest.json").exists()
    finished = {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")}
    assert len(finished) == nth - 1
    export(settings, client, folder)
    assert {file: file.stat().st_mtime_ns for file in finished} == finished
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))

    def content(said: dict[str, Any]) -> dict[str, Any]:
        return {
            name: [(one["path"], one["rows"], one["sha256"]) for one in table["files"]]
            for name, table in said["tables"].items()
        }

    assert content(manifest) == content(whole[1])
    assert [file for file in folder.rglob("*") if file.suffix == ".part"] == []


def test_a_note_that_was_cut_short_costs_its_file_and_no_other(loaded: tuple[Settings, Any], tmp_path: Path) -> None:
    settings, client = loaded
    folder = tmp_path / "torn"
    run = Export(folder, settings.clickhouse.database, EVER, OPEN_END, WHATS).run(client)
    written = [next(run) for _ in range(3)]
    with (folder / "progress.jsonl").open("a") as notes:
        notes.write('{"table": "mark_cur')
    again = [one.path for one in Export(folder, settings.clickhouse.database, EVER, OPEN_END, WHATS).run(client)]
    assert not {one.path for one in written} & set(again)
    assert (folder / "manifest.json").exists()


def test_a_finished_export_is_left_alone_and_another_does_not_mix_with_it(
    loaded: tuple[Settings, Any], tmp_path: Path
) -> None:
    settings, client = loaded
    folder = tmp_path / "done"
    export(settings, client, folder, what=("ledger",))
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    again = export(settings, client, folder, what=("ledger",))
    assert again.finished is not None
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before
    with pytest.raises(UsageError, match="asked for otherwise"):
        export(settings, client, folder, what=("history",))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"):
        export(settings, client, tmp_path / "full")
    with pytest.raises(UsageError, match="--what everything"):
        export(settings, client, tmp_path / "new", what=("everything",))


def test_the_command_says_what_it_wrote(
    loaded: tuple[Settings, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from rollcall.cli.app import build

    settings, _ = loaded
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    asked = ["export", "--to", str(tmp_path / "out"), "--what", "counts", "--from", "2025-10-01", "--json"]
    done = CliRunner().invoke(build(), asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["files_written"] == 1
    assert said["rows"] == pq.read_table(tmp_path / "out" / "counts/school_session/2025-10.parquet").num_rows > 0

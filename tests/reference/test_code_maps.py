"""Publishing code maps: versions rise over all schemes, files are checked line by line."""

from __future__ import annotations

import json
import uuid
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors import code_maps
from rollcall.cli.app import build
from rollcall.domain.codes import MapEntry
from rollcall.errors import UsageError
from rollcall.settings import Settings
from tests.reference.conftest import Publish, code_map

pytestmark = pytest.mark.usefixtures("others_behind")


def test_every_publication_is_one_more_than_the_greatest_of_any_scheme(settings: Settings, publish: Publish) -> None:
    before = code_maps.greatest_version(settings)
    one, other = f"test-{uuid.uuid4().hex}", f"test-{uuid.uuid4().hex}"
    entries = (MapEntry("9", "Y"),)
    assert code_maps.publish(settings, {one: entries, other: entries}, author="test", reason="test") == {
        one: before + 1,
        other: before + 2,
    }
    publish(code_maps.TOPIC, key=one.encode(), value=b"no message of ours")
    assert code_maps.publish(settings, {one: entries}, author="test", reason="test") == {one: before + 3}


def test_the_command_publishes_and_the_loader_brings_them_in_force(
    settings: Settings, clickhouse: Any, publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = f"wonde:{uuid.uuid4().hex}"
    file = tmp_path / "codes.csv"
    file.write_text(
        "raw_code,canonical_code,valid_from,valid_to\n9,Y,,2024-08-18\n9,Y6,2024-08-19,\n", encoding="utf-8"
    )
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    runner = CliRunner()
    published = runner.invoke(build(), ["reference", "load", "codes", "--map", f"{scheme}={file}", "--json"])
    assert published.exit_code == 0, published.output
    versions = json.loads(published.stdout)
    assert versions[scheme] == versions["national"] + 1
    assert runner.invoke(build(), ["reference", "run", "--once", "--json"]).exit_code == 0
    in_force = clickhouse.query(
        "SELECT raw_code, canonical_code, valid_from, valid_to FROM code_map FINAL "
        "WHERE scheme = {scheme:String} ORDER BY ALL",
        parameters={"scheme": scheme},
    ).result_rows
    assert in_force == [
        ("9", "Y", date(1970, 1, 1), date(2024, 8, 18)),
        ("9", "Y6", date(2024, 8, 19), date(2149, 6, 6)),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("code,meaning\n9,Y\n", "first line"),
        ("raw_code,canonical_code\n9,YY\n", "line 2: 'YY' is no national code"),
        ("raw_code,canonical_code\n9,Y\n9,I\n", "line 3"),
        ("raw_code,canonical_code\nbus was late again,L\n", "at most 8 characters"),
        ("raw_code,canonical_code,valid_from\n9,Y,1/9/2025\n", "YYYY-MM-DD"),
        ("raw_code,canonical_code\n", "maps no code"),
        ("raw_code,canonical_code,valid_from\n9,Y,\n9,I,2025-09-01\n", "'9' has two meanings on 2025-09-01, Y and I"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "codes.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=complaint):
        code_maps.read_map(file)


def test_a_file_as_a_spreadsheet_saves_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "codes.csv"
    file.write_bytes("\ufeffraw_code,canonical_code\r\n9,Y\r\n".encode())
    assert code_maps.read_map(file) == (MapEntry("9", "Y"),)
    with pytest.raises(UsageError, match="cannot be read"):
        code_maps.read_map(tmp_path / "not-there.csv")


def test_a_map_that_gives_a_code_two_meanings_is_refused_by_the_loader_too(
    settings: Settings, clickhouse: Any, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two meanings on one day would count a mark twice: whoever sent it, it does not come in force."""
    scheme = f"test-{uuid.uuid4().hex}"
    publish(code_maps.TOPIC, code_map(scheme, 1, ("9", "Y"), ("9", "I")))
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    assert CliRunner().invoke(build(), ["reference", "run", "--once"]).exit_code == 0
    details = clickhouse.query("SELECT detail FROM quarantine FINAL WHERE reason = 'not_to_be_applied'").result_rows
    assert any("'9' has two meanings on" in detail for (detail,) in details)
    asked = clickhouse.query("SELECT count() FROM code_map WHERE scheme = {s:String}", parameters={"s": scheme})
    assert asked.result_rows == [(0,)]

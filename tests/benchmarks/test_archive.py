"""The cost of the archive as a benchmark, tiny, equal to the answer key. Nothing here looks at the clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_the_command_prints_the_cost_beside_the_same_load_without_it(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("benchmarks measure the embedded stack, and this run stands on containers")
    arguments = ["bench", "archive", "--marks", "18000", "--schools", "60", "--home", str(tmp_path / "bench"), "--json"]
    result = CliRunner().invoke(build(), arguments)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["equal"] is True
    assert (printed["marks"], printed["messages"]) == (18_000, 600)
    assert set(printed["runs"][0]["cpu_s"]["beside"]) == {"worker", "kafka", "clickhouse", "archive"}
    assert printed["archived_bytes_per_message"] > 0

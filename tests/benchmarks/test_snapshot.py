"""Two cuts of a snapshot as a benchmark, tiny, equal to the answer key. Nothing here looks at the clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_the_command_prints_figures_of_two_cuts_that_are_equal_to_the_answer_key(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("benchmarks measure the embedded stack, and this run stands on containers")
    arguments = ["bench", "snapshot", "--schools", "5", "--home", str(tmp_path / "bench"), "--json"]
    result = CliRunner().invoke(build(), arguments)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["equal"] is True
    assert printed["marks"] == 3_000
    assert len(printed["seconds"]) == len(printed["cpu_s"]) == 2
    assert set(printed["cpu_s"][0]) == {"puller", "mis", "worker", "kafka", "clickhouse"}

"""`rollcall bench asked`, tiny: questions are answered while marks arrive, and nothing is lost beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_questions_are_answered_while_marks_arrive(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("benchmarks measure the embedded stack, and this run stands on containers")
    told = {"--schools": 60, "--before": 18_000, "--rate": 3_000, "--minutes": 0.05, "--home": tmp_path}
    arguments = [str(part) for option in told.items() for part in option]
    result = CliRunner().invoke(build(), ["bench", "asked", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["equal"] is True
    assert (found["marks_before"], found["marks_arrived"]) == (18_000, 9_000)
    for about in ("school", "authority", "nation"):
        assert found[about]["asked"] > 0
    assert found["school"]["asked"] == 4 * found["authority"]["asked"]

"""`rollcall publish rehearse`: a published day is met, cell for cell, by one command on a stack of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build

WEEK = Path(__file__).parents[1] / "publication" / "telford_and_wrekin_2025_week37.csv"


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_one_authoritys_day_is_met_by_one_command(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The day's four rows; of its marks none is lost on the way (acceptance fact 1)."""
    if request.config.getoption("--stack") == "containers":
        pytest.skip("starts an embedded stack of its own")
    asked = ["--date", "2025-09-10", "--la", "894", "--home", str(tmp_path / "home"), "--json"]
    arguments = ["publish", "rehearse", str(WEEK), *asked]
    result = CliRunner().invoke(build(), arguments)
    assert result.exit_code == 0, result.output
    met = json.loads(result.stdout)
    assert met["equal"] is True
    assert (met["rows"], met["marks"], met["differences"], met["reconcile_gap"]) == (4, 52_316, [], 0)
    assert met["cells"] > 250
    assert set(met["seconds"]) == {"sent", "reference", "taken_in", "published"}
    assert set(met["memory_mib"]) == {"reference", "worker", "clickhouse"}


def test_a_day_that_the_file_does_not_have_is_refused_before_anything_starts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    arguments = ["publish", "rehearse", str(WEEK), "--date", "2025-09-13", "--home", str(home)]
    result = CliRunner().invoke(build(), arguments)
    assert result.exit_code != 0
    assert "has no Daily row of the days asked for" in str(result.exception)
    assert not home.exists()

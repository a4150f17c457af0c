"""The demo: a day through real processes, twice in the same folder, and what a reader can do with it afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest

from connectors.estate.makes import MAKES
from rollcall.stack import EmbeddedStack

pytestmark = [pytest.mark.timeout(900), pytest.mark.stack]
#: Enough schools for one of every make.
SMALL = ("--schools", "14", "--pupils", "1800")


def rollcall(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ROLLCALL_")}
    cache = {name: value for name, value in os.environ.items() if name == "ROLLCALL_CACHE"}
    return subprocess.run(
        [sys.executable, "-m", "rollcall.cli", *arguments],
        env={**inherited, **cache, "ROLLCALL_HOME": str(home)},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def demo(home: Path, *arguments: str) -> dict[str, Any]:
    done = rollcall(home, "demo", *SMALL, "--json", *arguments)
    assert done.returncode == 0, done.stderr + done.stdout[:4000]
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder whose stack, and what runs beside it, ends with the test."""
    if request.config.getoption("--stack") == "containers":
        pytest.skip("starts an embedded stack of its own")
    yield tmp_path / "home"
    rollcall(tmp_path / "home", "down")


def test_a_demo_is_equal_to_the_truth_and_can_be_looked_into_and_played_again(home: Path) -> None:
    first = demo(home)
    assert (first["truth_equal"], first["reconcile_gap"], first["verify_equal"]) == (True, 0, True)
    assert first["marks"] == first["accepted"] + first["unchanged"] + sum(first["truth"]["quarantined"].values())
    assert {"undecodable", "unknown_schema", "no_value", "key_mismatch", "unknown_pupil"} <= set(first["quarantined"])
    assert {"unmapped_code", "not_on_roll", "upn_invalid"} <= set(first["exceptions"])
    assert first["missing_registers"] > 0

    assert set(first["schools_by_make"]) == {*MAKES, "ingest API"}
    assert first["schools_by_make"]["arbor"] == 1

    # Every sign-in of a pupil is evidence in the history, and in no figure.
    kiosks = first["kiosks"]
    assert kiosks["evidence"] == kiosks["sign_ins"] - kiosks["became"]["none"]
    assert kiosks["evidence"] + kiosks["repeated"] <= first["truth"]["evidence"]
    assert {"present", "late"} <= set(kiosks["became"])
    tables = first["truth"]["tables"]
    assert tables["evidence"]["rows"] == kiosks["evidence"]
    assert tables["kiosk_event"]["rows"] == kiosks["events"] > kiosks["sign_ins"] > kiosks["evidence"] > 100

    # A late roster, a new register system, a conversion and second numbers of children: each has left its trace.
    assert set(first["upheavals"]) == {
        "healed",
        "chosen_by_the_new_system",
        "of_a_school_not_open",
        "aliases",
        "from_lessons",
    }
    assert first["upheavals"]["healed"] > 20
    assert first["upheavals"]["chosen_by_the_new_system"] > 0
    assert first["upheavals"]["of_a_school_not_open"] > 0
    assert first["upheavals"]["aliases"] == 2
    assert first["upheavals"]["from_lessons"] > 100

    # One figure is the sum of its marks, and the day as known at noon is less than the day as known now.
    assert first["explained"]["equal"]
    assert first["explained"]["figure"] > 0
    assert 0 < first["as_at_noon"]["total"]["possible"] < first["report"]["total"]["possible"]

    # A client that is not ours reads the same numbers as the report.
    url = EmbeddedStack(home).up()
    client = clickhouse_connect.get_client(host=url.clickhouse_host, port=url.clickhouse_port, database="rollcall")
    late = client.query(
        "SELECT sum(late), sum(possible) FROM school_days WHERE session_date = '2025-09-10'"
    ).result_rows
    client.close()
    report = rollcall(home, "report", "day", "--date", "2025-09-10", "--all", "--json")
    total = json.loads(report.stdout)["total"]
    assert late[0] == (total["late"], total["possible"])

    # The ingest API serves on, and the worker behind it: `rollcall down` ends them all.
    log = (home / "logs" / "ingest.log").read_text(encoding="utf-8")
    docs = next(word for word in log.split() if word.startswith("http://") and word.endswith("/docs)")).rstrip(")")
    assert httpx.get(docs).status_code == 200
    beside = json.loads((home / "beside.json").read_text(encoding="utf-8"))
    assert set(beside) == {"reference", "ingest", "worker", "kiosk"}

    # Nothing of the first day is counted in the second.
    second = demo(home, "--no-keep")
    assert (second["truth_equal"], second["reconcile_gap"], second["verify_equal"]) == (True, 0, True)
    assert second["standing"] == first["standing"]
    assert EmbeddedStack(home).pids() == {}
    assert not (home / "beside.json").exists()


def test_a_demo_does_not_touch_a_stack_that_holds_other_data(home: Path) -> None:
    assert rollcall(home, "up", "--detach").returncode == 0
    assert rollcall(home, "schemas", "register").returncode == 0
    assert rollcall(home, "topics", "apply").returncode == 0
    assert rollcall(home, "reference", "load", "codes").returncode == 0
    refused = rollcall(home, "demo", *SMALL, "--json")
    assert refused.returncode == 2
    assert "holds data that no demo made" in refused.stderr
    assert set(EmbeddedStack(home).pids()) == {"kafka", "registry", "clickhouse"}

"""Smoke runs of the benchmarks: every shape, tiny, equal to the answer key. Nothing here looks at the clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.answer_key import differences
from benchmarks.e2e import Plan, run
from benchmarks.loads import registers
from benchmarks.nation import Nation
from benchmarks.natural import Natural
from benchmarks.place import Place
from rollcall.cli.app import build
from rollcall.errors import UsageError
from schemas.topics import PARTITIONS

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

FIGURES = {
    "shape",
    "marks",
    "seconds",
    "marks_per_s",
    "baseline_marks_per_s",
    "ratio",
    "engine_limit_share",
    "cpu_s_per_million",
    "step_ns",
    "equal",
}


@pytest.fixture(scope="module", autouse=True)
def _embedded_only(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("benchmarks measure the embedded stack, and this run stands on containers")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


def test_the_command_prints_figures_that_are_equal_to_the_answer_key(home: Path) -> None:
    arguments = [
        "bench",
        "e2e",
        "--shape",
        "registers",
        "--marks",
        "18000",
        "--schools",
        "60",
        "--baseline-marks",
        "3000",
    ]
    result = CliRunner().invoke(build(), [*arguments, "--home", str(home), "--json"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert set(printed) >= FIGURES
    assert printed["equal"] is True
    assert printed["marks"] == 18_000
    assert set(printed["cpu_s_per_million"]) == {"kafka", "worker", "clickhouse"}
    assert {"decode", "identify", "suppress", "write", "derive_current", "derive_counts"} <= set(printed["step_ns"])


def test_a_repull_is_equal_for_the_worker_the_natural_pipeline_and_the_engine(home: Path) -> None:
    plan = Plan("repull", marks=60_000, schools=60, baseline_marks=5_000)
    found = run(plan, home, lambda _: None)
    assert found["differences"] == []
    assert found["engine_limit_share"] is not None
    assert found["baseline_marks"] > 0


def test_a_steady_rate_gives_freshness_of_history_and_current(home: Path) -> None:
    found = run(Plan("live", rate=3_000, minutes=0.05, schools=60), home, lambda _: None)
    assert found["equal"] is True
    assert set(found["freshness_s"]) == {"history", "current", "counts"}


def test_one_wrong_mark_among_thousands_is_seen_in_every_table(home: Path) -> None:
    load = registers(Nation(60, "mis"), 3_000, seed=1)
    with Place(home, load.nation, lambda _: None) as place:
        place.load_reference()
        place.warm_up()
        place.publish(load)
        client = place.fresh("bench_natural")
        natural = Natural(place.settings.kafka, client, load.nation, load.topic, list(range(PARTITIONS)))
        natural.prepare()
        natural.run()
        key = load.key()
        assert differences(client, key, receipts=False) == []
        key.current.code[1_234] ^= 1
        assert [line.split(":")[0] for line in differences(client, key, receipts=False)] == [
            "mark_event",
            "mark_current",
            "school_session",
        ]
        client.close()


def test_a_shape_that_does_not_exist_is_refused(home: Path) -> None:
    with pytest.raises(UsageError, match="no shape is called sprint"):
        run(Plan("sprint"), home, lambda _: None)

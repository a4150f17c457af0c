"""`rollcall bench e2e`: from Kafka to the current marks and counts, measured, and checked against the answer key."""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.answer_key import differences
from benchmarks.engine_limit import engine_seconds
from benchmarks.freshness import LIVE_SHAPES, steady
from benchmarks.loads import Registers, Repull, registers, repull
from benchmarks.nation import Nation
from benchmarks.natural import Natural, partitions_for
from benchmarks.place import Place, Tell
from benchmarks.processes import Costs, Sampler, WorkerProcess
from rollcall.errors import UsageError
from schemas.topics import PARTITIONS

__all__ = ["DEFAULT_MARKS", "SHAPES", "Plan", "run"]

#: Marks of a shape unless told.
DEFAULT_MARKS = {"registers": 3_000_000, "repull": 6_000_000, "day": 14_000_000}
SHAPES = (*DEFAULT_MARKS, *LIVE_SHAPES)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. ``baseline_marks`` and ``engine``: what to compare with (0 and False: nothing)."""

    shape: str
    marks: int = 0
    rate: int = 0
    minutes: float = 0.0
    runs: int = 1
    schools: int = 24_500
    refs: str = "mis"
    unchanged: float = 0.73
    baseline_marks: int = 300_000
    engine: bool = True
    seed: int = 1

    def nation(self) -> Nation:
        """Its schools; pages name pupils by another scheme than registers do."""
        scheme = "upn" if self.refs == "upn" else "wonde" if self.shape == "repull" else "mis"
        return Nation(self.schools, scheme, self.refs)

    def load(self) -> Registers | Repull:
        """Its messages. Raises UsageError when the nation cannot give so many."""
        marks = self.marks or DEFAULT_MARKS[self.shape]
        if self.shape == "repull":
            return repull(self.nation(), marks, self.seed, self.unchanged)
        return registers(self.nation(), marks, self.seed)


def run(plan: Plan, home: Path, tell: Tell) -> dict[str, Any]:
    """Measure ``plan`` on a stack in ``home`` and return the figures, medians over its runs; each run is under "runs".

    Raises UsageError for a shape that does not exist; RollcallError when the stack or the worker fails.
    """
    if plan.shape not in SHAPES:
        raise UsageError(f"no shape is called {plan.shape}; there are {', '.join(SHAPES)}")
    with Place(home, plan.nation(), tell) as place:
        place.load_reference()
        place.warm_up()
        if plan.shape in LIVE_SHAPES:
            return steady(place, plan.shape, plan.rate, plan.minutes, plan.seed)
        load = plan.load()
        place.publish(load)
        results = []
        for number in range(1, plan.runs + 1):
            results.append(_one(place, plan, load))
            tell(_line(number, results[-1]))
        return _medians(results)


def _one(place: Place, plan: Plan, load: Registers | Repull) -> dict[str, Any]:
    result = _worker(place, plan, load)
    if plan.engine:
        limit = place.fresh("bench_limit", reference=False)
        place.settle(limit)
        engine = engine_seconds(limit, "bench_run")
        wrong = differences(limit, load.key(), receipts=False)
        result["differences"] += [f"engine limit: {line}" for line in wrong]
        result["engine_seconds"] = round(engine, 2)
        result["engine_limit_share"] = round(engine / result["seconds"], 3)
        limit.close()
    place.drop("bench_limit", "bench_run")
    if plan.baseline_marks:
        _baseline(place, plan, load, result)
    result["equal"] = not result["differences"]
    return result


def _worker(place: Place, plan: Plan, load: Registers | Repull) -> dict[str, Any]:
    """One run of the worker over the whole load, from an empty database."""
    client = place.fresh("bench_run")
    place.settle(client)
    extra = {"ROLLCALL_WORKER__EXPECTED_ASSERTIONS": str(max(1_024, len(load.key().current)))}
    worker = WorkerProcess(place.stack.home, "bench_run", "bench_run", place.home / "worker.log", extra)
    try:
        pids = {**place.pids(), "worker": worker.pid}
        with Sampler(pids) as memory:
            started = worker.assigned_at()
            costs = Costs(pids)
            ended = place.wait_done(client, "bench_run", load.messages, worker)
            cpu = costs.used()
        steps = worker.step_seconds()
    finally:
        worker.stop()
    seconds = ended - started
    wrong = differences(client, load.key())
    client.close()
    per_million = 1e6 / load.marks
    return {
        "shape": plan.shape,
        "marks": load.marks,
        "seconds": round(seconds, 2),
        "marks_per_s": round(load.marks / seconds),
        "baseline_marks_per_s": None,
        "ratio": None,
        "engine_limit_share": None,
        "cpu_s_per_million": {name: round(cpu[name] * per_million, 2) for name in ("kafka", "worker", "clickhouse")},
        "step_ns": {name: round(value * 1e9 / load.marks) for name, value in steps.items()},
        "equal": not wrong,
        "worker_rss_peak_mb": memory.peak("worker") >> 20,
        "clickhouse_rss_peak_mb": memory.peak("clickhouse") >> 20,
        "worker_rss_mb": [(at, size >> 20) for at, size in memory.growth("worker")],
        "load_average": round(os.getloadavg()[0], 1),
        "differences": wrong,
    }


def _baseline(place: Place, plan: Plan, load: Registers | Repull, result: dict[str, Any]) -> None:
    """The natural pipeline over whole partitions of the same topic."""
    client = place.fresh("bench_natural")
    place.settle(client)
    partitions = partitions_for(plan.baseline_marks, load.marks, PARTITIONS)
    natural = Natural(place.settings.kafka, client, load.nation, load.topic, partitions)
    natural.prepare()
    costs = Costs({"worker": os.getpid(), "clickhouse": place.pids()["clickhouse"]})
    marks, seconds = natural.run()
    cpu = costs.used()
    wrong = differences(client, load.key(natural.schools), receipts=False)
    result["differences"] += [f"baseline: {line}" for line in wrong]
    client.close()
    place.drop("bench_natural")
    result["baseline_marks"] = marks
    result["baseline_cpu_s_per_million"] = {name: round(used * 1e6 / marks, 2) for name, used in cpu.items()}
    result["baseline_marks_per_s"] = round(marks / seconds)
    result["ratio"] = round(result["marks_per_s"] / result["baseline_marks_per_s"], 1)


def _line(number: int, result: dict[str, Any]) -> str:
    share, ratio = result["engine_limit_share"], result["ratio"]
    return (
        f"run {number}: {result['marks_per_s']:,} marks/s, equal {result['equal']}"
        + (f", {ratio} times the natural pipeline" if ratio else "")
        + (f", {share:.0%} of the engine's limit" if share else "")
        + f", load average {result['load_average']}"
    )


def _medians(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The run in the middle by speed, with medians of the figures, and every run beneath."""
    middle = sorted(results, key=lambda r: r["marks_per_s"])[len(results) // 2]
    summary = dict(middle)
    for name in ("seconds", "marks_per_s", "baseline_marks_per_s", "ratio", "engine_limit_share"):
        values = [r[name] for r in results if r[name] is not None]
        summary[name] = statistics.median(values) if values else None
    summary["equal"] = all(r["equal"] for r in results)
    summary["differences"] = sorted({line for r in results for line in r["differences"]})
    if len(results) > 1:
        keys = (
            "seconds",
            "marks_per_s",
            "baseline_marks_per_s",
            "ratio",
            "engine_limit_share",
            "worker_rss_peak_mb",
            "equal",
            "load_average",
        )
        summary["runs"] = [{key: r[key] for key in keys} for r in results]
    return summary

"""`rollcall bench snapshot`: every school pulled over HTTP at two cuts, the second unchanged, end to end.

The processes are the real ones: `rollcall snapshot run` pulls a MIS in Wonde's shape (benchmarks/mis.py, a process of
its own), `rollcall worker` takes the pages in. Marks have no modified time, as Wonde's session records have none: a cut
says everything again at its own time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from benchmarks.answer_key import Counts, Key, Marks, differences
from benchmarks.mis import PAGES, codes_of, school_id
from benchmarks.nation import PUPILS, SESSION_DATE, Nation
from benchmarks.place import Place, Tell
from benchmarks.processes import Costs, WorkerProcess
from connectors.snapshots.record import CutRecord, load
from connectors.sources import parse
from connectors.sources_file import SourcesFile, entry_names
from rollcall.errors import RollcallError

__all__ = ["Plan", "run"]

_TOKEN = "benchmark"
_DATABASE = "bench_run"
#: The MIS is ours and on loopback.
_REQUESTS_A_SECOND = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: so many schools of 300 pupils, 600 marks each a cut."""

    schools: int = 2_000
    at_once: int = 32
    seed: int = 1

    @property
    def marks(self) -> int:
        """Marks of a cut."""
        return self.schools * 2 * PUPILS


def run(plan: Plan, home: Path, tell: Tell) -> dict[str, Any]:
    """Measure two cuts on a stack in `home`. equal: after each, the tables hold what the MIS holds, once.

    Raises RollcallError when a process fails or a school does not answer.
    """
    with Place(home, Nation(plan.schools, "wonde"), tell) as place, _mis(plan) as (mis, base_url):
        place.load_reference()
        place.warm_up()
        client = place.fresh(_DATABASE)
        place.settle(client)
        _define(place, plan, base_url)
        extra = {"ROLLCALL_WORKER__EXPECTED_ASSERTIONS": str(max(1_024, plan.marks))}
        worker = WorkerProcess(place.stack.home, _DATABASE, _DATABASE, place.home / "worker.log", extra)
        try:
            worker.assigned_at()
            hours = []
            for number, name in enumerate(("first-hour", "unchanged-hour"), 1):
                hours.append(_hour(place, plan, name, number, client, worker, {"mis": mis, "worker": worker.pid}))
                tell(f"{name}: {hours[-1]['seconds']} s, {hours[-1]['marks_per_s']:,} marks/s")
        finally:
            worker.stop()
            client.close()
    wrong = [line for hour in hours for line in hour["differences"]]
    first, second = hours
    return {
        "schools": plan.schools,
        "marks": plan.marks,
        "seconds": [hour["seconds"] for hour in hours],
        "marks_per_s": [hour["marks_per_s"] for hour in hours],
        "pull_seconds": [hour["pull_seconds"] for hour in hours],
        "cpu_s": [hour["cpu_s"] for hour in hours],
        "times_cheaper": round(first["seconds"] / second["seconds"], 2),
        "times_cheaper_cpu": round(_ours(first) / _ours(second), 2),
        "load_average": round(os.getloadavg()[0], 1),
        "equal": not wrong,
        "differences": wrong,
    }


def _hour(
    place: Place, plan: Plan, name: str, number: int, client: Client, worker: WorkerProcess, others: dict[str, int]
) -> dict[str, Any]:
    """One cut: from its first question to the last row in mark_current and school_session."""
    costs = Costs({**place.pids(), **others})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    record = _cut(place, plan, name)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    done_at = place.wait_done(client, _DATABASE, number * plan.schools * PAGES, worker)
    asked = [school.asked_at.timestamp() for school in record.schools.values() if school.asked_at]
    ended = [school.ended_at.timestamp() for school in record.schools.values() if school.ended_at]
    seconds = done_at - min(asked)
    puller = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(seconds, 2),
        "marks_per_s": round(plan.marks / seconds),
        "pull_seconds": round(max(ended) - min(asked), 2),
        "cpu_s": {name: round(used, 2) for name, used in {"puller": puller, **costs.used()}.items()},
        "differences": [f"{name}: {line}" for line in _differences(client, plan, number)],
    }


def _cut(place: Place, plan: Plan, name: str) -> CutRecord:
    """Take one cut, now, in a process of its own."""
    day = SESSION_DATE.isoformat()
    order = ["snapshot", "run", "--name", name, "--date", day, "--today", day, "--at-once", str(plan.at_once), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "rollcall.cli", *order],
        env={**os.environ, "ROLLCALL_HOME": str(place.stack.home), "WONDE_TOKEN": _TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RollcallError(f"not every school has answered at {name}: {(done.stderr or done.stdout)[-600:]}")
    return load(place.settings, name).cuts[0]


def _define(place: Place, plan: Plan, base_url: str) -> None:
    told = [{"id": school_id(school), "urn": 100_000 + school} for school in range(plan.schools)]
    source = {"make": "wonde", "base_url": base_url, "secret": "env:WONDE_TOKEN", "schools": told}
    document = {"sources": [{**source, "requests_a_second": _REQUESTS_A_SECOND}]}
    SourcesFile(place.settings.sources_file).take(parse(document, entry_names(document)))


def _differences(client: Client, plan: Plan, cuts: int) -> list[str]:
    """The first cut's marks stand once, and every later cut has said them again, unchanged."""
    schools = plan.schools
    marks = Marks(
        pupil=np.repeat(np.arange(schools * PUPILS), 2),
        session=np.tile(np.array([1, 2]), schools * PUPILS),
        code=codes_of(schools, plan.seed).ravel(),
        late=np.full(plan.marks, -1),
        asserted=np.zeros(plan.marks, np.int64),
    )
    key = Key(marks, marks, Counts(cuts * schools * PAGES, cuts * plan.marks, plan.marks, (cuts - 1) * plan.marks))
    return differences(client, key, timed=False)


def _ours(hour: dict[str, Any]) -> float:
    """CPU seconds of what is ours: all but the MIS."""
    return float(sum(used for name, used in hour["cpu_s"].items() if name != "mis"))


@contextmanager
def _mis(plan: Plan) -> Iterator[tuple[int, str]]:
    """The MIS in a process of its own: its pid and base URL."""
    words = [sys.executable, "-m", "benchmarks.mis", str(plan.schools), str(plan.seed), _TOKEN]
    checkout = Path(__file__).parents[1]
    with subprocess.Popen(words, cwd=checkout, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # a pipe, as asked
            base_url = process.stdout.readline().strip()
            if not base_url:
                raise RollcallError("the benchmark's MIS did not start")
            yield process.pid, base_url
        finally:
            process.kill()

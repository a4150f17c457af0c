"""`rollcall bench snapshot`: every school pulled over HTTP at two cuts, the second unchanged, end to end.

The processes are the real ones: `rollcall snapshot run` pulls a MIS in Wonde's shape (benchmarks/mis.py, a process of
its own), `rollcall worker` takes the pages in. At the second cut schools are asked what changed since the first, as is
the snapshot's way; with `whole` they are read whole, and say everything again at a new time, as Wonde's session records
have none of their own. A third cut, which nobody waits for, makes the second one in between: the last is read whole.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from benchmarks.answer_key import Counts, Key, Marks, differences
from benchmarks.mis import PAGES, codes_of, school_id
from benchmarks.nation import PUPILS, SESSION_DATE, Nation
from benchmarks.place import Place, Tell
from benchmarks.processes import Costs, WorkerProcess
from connectors.snapshots.record import CutRecord, folder_of, read, save_plan
from connectors.snapshots.schedule import Cut, Schedule
from connectors.sources import parse
from connectors.sources_file import SourcesFile, entry_names
from rollcall.domain.clock import now
from rollcall.errors import RollcallError

__all__ = ["Plan", "run"]

_TOKEN = "benchmark"
_DATABASE, _NAME = "bench_run", "bench"
#: From the start of the snapshot's process to its first cut (s).
_LEAD_S = 5.0
#: The MIS is ours and on loopback.
_REQUESTS_A_SECOND = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: so many schools of 300 pupils, 600 marks each a cut. whole: the second cut reads everything.
    every: seconds from one cut to the next, 0: 8 and a little for each school.
    """

    schools: int = 2_000
    at_once: int = 32
    seed: int = 1
    whole: bool = False
    every: float = 0.0

    @property
    def marks(self) -> int:
        """Marks of a cut."""
        return self.schools * 2 * PUPILS

    @property
    def messages(self) -> tuple[int, int]:
        """Pages of the two cuts: that nothing changed is a page too."""
        return self.schools * PAGES, self.schools * (PAGES if self.whole else 1)

    def schedule(self) -> Schedule:
        """Three cuts, from a moment from now on."""
        every = timedelta(seconds=self.every or 8 + 0.06 * self.schools)
        begin = now().replace(microsecond=0) + timedelta(seconds=_LEAD_S)
        cuts = tuple(Cut(f"{7 + number:02d}:00", begin + number * every) for number in range(3))
        return Schedule(_NAME, SESSION_DATE, cuts, every, today=SESSION_DATE, whole_every=1 if self.whole else 3)


def run(plan: Plan, home: Path, tell: Tell) -> dict[str, Any]:
    """Measure two cuts on a stack in `home`. equal: after each, the tables hold what the MIS holds, once.

    Raises RollcallError when a process fails, a school does not answer, or the first cut is still at work when the
    second begins.
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
            hours = _hours(place, plan, client, worker, mis, tell)
        finally:
            worker.stop()
            client.close()
    wrong = [line for hour in hours for line in hour["differences"]]
    first, second = hours
    return {
        "schools": plan.schools,
        "second_cut": "whole" if plan.whole else "changes",
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


def _hours(
    place: Place, plan: Plan, client: Client, worker: WorkerProcess, mis: int, tell: Tell
) -> list[dict[str, Any]]:
    """Both cuts, by one process."""
    schedule = plan.schedule()
    save_plan(place.settings, schedule)
    log, token = place.home / "snapshot.log", {"WONDE_TOKEN": _TOKEN}
    command = ("snapshot", "run", "--name", _NAME, "--at-once", str(plan.at_once), "--json")
    taking = WorkerProcess(place.stack.home, _DATABASE, _DATABASE, log, token, command)
    pids = {"puller": taking.pid, "mis": mis, "worker": worker.pid, **place.pids()}
    hours: list[dict[str, Any]] = []
    try:
        for number, cut in enumerate(schedule.cuts[:2]):
            if now() > cut.at:
                raise RollcallError("the first cut was still at work when the second began: take a longer --every")
            time.sleep((cut.at - now()).total_seconds())
            hours.append(_hour(place, plan, number, cut, client, worker, Costs(pids), taking))
            tell(f"{('first hour', 'unchanged hour')[number]}: {hours[-1]['seconds']} s")
    finally:
        taking.stop()
    return hours


def _hour(
    place: Place, plan: Plan, number: int, cut: Cut, client: Client, worker: WorkerProcess, costs: Costs,
    taking: WorkerProcess,
) -> dict[str, Any]:  # fmt: skip
    """One cut: from its first question to the last row in mark_current and school_session."""
    file = place.home / "snapshot.log"
    while file.read_text(encoding="utf-8").count('"over_at"') <= number:  # a line is told of each cut that is over
        taking.check()
        time.sleep(0.1)
    done_at = place.wait_done(client, _DATABASE, sum(plan.messages[: number + 1]), worker)
    used = costs.used()
    record = read(folder_of(place.settings, _NAME), cut)
    asked = [school.asked_at.timestamp() for school in record.schools.values() if school.asked_at]
    ended = [school.ended_at.timestamp() for school in record.schools.values() if school.ended_at]
    seconds = done_at - min(asked)
    found = [*_coverage(plan, number, record), *_differences(client, plan, number + 1)]
    return {
        "seconds": round(seconds, 2),
        "marks_per_s": round(plan.marks / seconds),
        "pull_seconds": round(max(ended) - min(asked), 2),
        "cpu_s": {name: round(seconds, 2) for name, seconds in used.items()},
        "differences": [f"{cut.label}: {line}" for line in found],
    }


def _coverage(plan: Plan, number: int, record: CutRecord) -> Iterator[str]:
    """Every school has answered, as it was to be asked, and holds its whole day."""
    wanted = ("answered", bool(number) and not plan.whole, 2 * PUPILS)
    wrong = [one for one in record.schools.values() if (one.outcome, one.only_changes, one.held) != wanted]
    if wrong or len(record.schools) != plan.schools:
        yield f"{len(wrong)} of {len(record.schools)} schools do not stand as {wanted}"


def _define(place: Place, plan: Plan, base_url: str) -> None:
    told = [{"id": school_id(school), "urn": 100_000 + school} for school in range(plan.schools)]
    source = {"make": "wonde", "base_url": base_url, "secret": "env:WONDE_TOKEN", "schools": told}
    document = {"sources": [{**source, "requests_a_second": _REQUESTS_A_SECOND}]}
    SourcesFile(place.settings.sources_file).take(parse(document, entry_names(document)))


def _differences(client: Client, plan: Plan, cuts: int) -> list[str]:
    """The first cut's marks stand once, and a later cut that read everything has said them again, unchanged."""
    schools = plan.schools
    marks = Marks(
        pupil=np.repeat(np.arange(schools * PUPILS), 2),
        session=np.tile(np.array([1, 2]), schools * PUPILS),
        code=codes_of(schools, plan.seed).ravel(),
        late=np.full(plan.marks, -1),
        asserted=np.zeros(plan.marks, np.int64),
    )
    again = (cuts - 1) * plan.marks if plan.whole else 0
    key = Key(marks, marks, Counts(sum(plan.messages[:cuts]), plan.marks + again, plan.marks, again))
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

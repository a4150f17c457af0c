"""`rollcall bench archive`: what an archive of messages costs beside the worker, in CPU and in bytes.

The same load twice a run, from an empty database each time: the worker alone, and the worker beside `rollcall archive
run`. Both end when every message is DONE, every message of the archive's is archived, and no merge runs: a part that
is written is merged as well. The machine may be busy with other things, so the figure is the ratio within a run.
"""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.answer_key import differences, load_sql
from benchmarks.e2e import Plan as EndToEnd
from benchmarks.loads import Registers, Repull
from benchmarks.place import Place, Tell
from benchmarks.processes import Costs, WorkerProcess
from rollcall.errors import UsageError

__all__ = ["SHAPES", "Plan", "run"]

#: Shape -> marks unless told.
SHAPES = {"registers": 1_500_000, "repull": 3_000_000}
_DATABASE = "bench_archive"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. ``runs``: each measures both, the one that was second first in the next."""

    shape: str
    marks: int = 0
    runs: int = 1
    schools: int = 24_500
    refs: str = "mis"
    seed: int = 1

    def load(self) -> Registers | Repull:
        """Its messages. Raises UsageError for another shape, and when the nation cannot give so many."""
        if self.shape not in SHAPES:
            raise UsageError(f"no shape is called {self.shape}; there are {', '.join(SHAPES)}")
        marks = self.marks or SHAPES[self.shape]
        return EndToEnd(self.shape, marks, schools=self.schools, refs=self.refs, seed=self.seed).load()


def run(plan: Plan, home: Path, tell: Tell) -> dict[str, Any]:
    """Measure ``plan`` on a stack in ``home`` and return the figures, medians over its runs; each run is under "runs".

    Raises RollcallError when the stack, the worker or the archive fails.
    """
    load = plan.load()
    with Place(home, load.nation, tell) as place:
        place.load_reference()
        place.warm_up()
        place.publish(load)
        found = [_one(place, load, number, tell) for number in range(1, plan.runs + 1)]
    return {
        "shape": plan.shape, "marks": load.marks, "messages": load.messages,
        "cpu_ratio": statistics.median(one["cpu_ratio"] for one in found),
        "cpu_s_per_million_marks": statistics.median(one["cpu_s_per_million_marks"] for one in found),
        **{name: found[-1][name] for name in _SIZES},
        "equal": not any(one["differences"] for one in found),
        "differences": sorted({line for one in found for line in one["differences"]}),
        "runs": found,
    }  # fmt: skip


#: Of the last run: they are the same but for how parts were cut.
_SIZES = (
    "message_bytes", "archived_bytes_per_message", "archived_bytes_per_mark", "compressed_to", "history_bytes_per_mark",
)  # fmt: skip


def _one(place: Place, load: Registers | Repull, number: int, tell: Tell) -> dict[str, Any]:
    """Both, one after the other, and what lies between them."""
    order = (False, True) if number % 2 else (True, False)
    measured = {archived: _measured(place, load, archived=archived) for archived in order}
    alone, beside = measured[False]["cpu_s"], measured[True]["cpu_s"]
    result = {
        **{name: value for name, value in measured[True].items() if name not in ("cpu_s", "differences")},
        "cpu_s": {"alone": alone, "beside": beside},
        "cpu_ratio": round(sum(beside.values()) / sum(alone.values()), 3),
        "cpu_s_per_million_marks": round((sum(beside.values()) - sum(alone.values())) * 1e6 / load.marks, 3),
        "differences": measured[False]["differences"] + measured[True]["differences"],
        "load_average": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    tell(
        f"run {number}: {result['cpu_ratio']} times the CPU of the worker alone,"
        f" {result['archived_bytes_per_message']} bytes a message, equal {not result['differences']},"
        f" load average {result['load_average']}"
    )
    return result


def _measured(place: Place, load: Registers | Repull, *, archived: bool) -> dict[str, Any]:
    """The load through a worker, with an archive beside it or without: CPU seconds by process, and sizes."""
    client = place.fresh(_DATABASE)
    place.settle(client)
    group = f"{_DATABASE}-{os.urandom(4).hex()}"
    own = {"ROLLCALL_WORKER__EXPECTED_ASSERTIONS": str(max(1_024, len(load.key().current)))}
    processes = {"worker": WorkerProcess(place.stack.home, _DATABASE, group, place.home / "worker.log", own)}
    reading = Costs({})
    try:
        # From when each has its partitions: what a start costs is no matter of messages.
        processes["worker"].assigned_at()
        costs = Costs({**place.pids(), "worker": processes["worker"].pid})
        if archived:
            beside = {"ROLLCALL_ARCHIVE__GROUP": f"{group}-archive"}
            processes["archive"] = WorkerProcess(
                place.stack.home, _DATABASE, group, place.home / "archive.log", beside, command=("archive", "run")
            )
            processes["archive"].assigned_at(event="archive_assigned")
            reading = Costs({"archive": processes["archive"].pid})
        place.wait_done(client, group, load.messages, processes["worker"])
        if archived:
            place.wait_archived(client, load.messages, processes["archive"])
        place.settle(client)
        cpu = {**costs.used(), **reading.used()}
    finally:
        for one in processes.values():
            one.stop()
    wrong = differences(client, load.key())
    sizes: dict[str, Any] = {}
    if archived:
        client.command("OPTIMIZE TABLE message_archive FINAL")
        ((messages, received, stored, history),) = client.query(load_sql("archive_sizes")).result_rows
        if messages != load.messages:
            wrong.append(f"archive: {messages:,} messages of {load.messages:,}")
        sizes = {
            "message_bytes": round(received / messages, 1),
            "archived_bytes_per_message": round(stored / messages, 1),
            "archived_bytes_per_mark": round(stored / load.marks, 2),
            "compressed_to": round(stored / received, 3),
            "history_bytes_per_mark": round(history / load.marks, 2),
        }
    client.close()
    place.drop(_DATABASE)
    return {"cpu_s": {name: round(used, 2) for name, used in cpu.items()}, "differences": wrong, **sizes}

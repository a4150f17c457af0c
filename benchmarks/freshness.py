"""Steady rates: how old a mark is when it can be read, and what hours of it cost.

A message's birth is Kafka's own timestamp (LogAppendTime, on taking it in). *To history* and *to current* end when an
observer, asking ten times a second, first counts its receipt (written after its history) and its marks in mark_current:
what is reported is a little more than the truth. *To counts* ends at the server's clock of the DONE row, which the
worker writes after school_session.
"""

from __future__ import annotations

import math
import os
import threading
import time
from typing import Any

import numpy as np

from benchmarks import encoding
from benchmarks.answer_key import differences, load_sql
from benchmarks.loads import Registers, Sender, registers
from benchmarks.nation import GROUP_SIZE
from benchmarks.place import Place
from benchmarks.processes import Costs, Sampler, WorkerProcess, cpu_seconds
from rollcall.errors import RollcallError

__all__ = ["LIVE_SHAPES", "send_steadily", "steady"]

#: Shape -> (marks a second, minutes) unless told.
LIVE_SHAPES: dict[str, tuple[int, float]] = {"live": (25_000, 1.0), "soak": (2_000, 30.0)}
#: Seconds between the looks of the observer; the low rate is watched for its costs, too.
_LOOK_S = {"live": 0.1, "soak": 0.2}
_TICK_S = 0.01
#: Registers encoded at a time, when they are late.
_AT_ONCE = 20_000


class Observer:
    """Counts what can be read, some times a second: (microseconds since 1970, messages, current marks).

    Every mark of the load is new and batches are written one after the other, so a batch can be read when the count has
    reached the sum of all batches up to it. Two counts without a condition cost the engine next to nothing.
    """

    def __init__(self, place: Place, database: str, every_s: float) -> None:
        self.seen: list[tuple[float, int, int]] = []
        self._client, self._every = place.client(database), every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look once more and stop."""
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while True:
            last = self._stop.wait(self._every)
            messages, marks = self._client.query(load_sql("freshness_counts")).result_rows[0]
            self.seen.append((time.time() * 1e6, messages, marks))
            if last:
                return


def steady(place: Place, shape: str, rate: int, minutes: float, seed: int) -> dict[str, Any]:
    """Send ``rate`` marks a second for ``minutes`` to a running worker: percentiles of freshness, costs, the check."""
    usual_rate, usual_minutes = LIVE_SHAPES[shape]
    rate, minutes = rate or usual_rate, minutes or usual_minutes
    load = registers(place.nation, int(rate * minutes * 60), seed)
    client = place.fresh("bench_run")
    place.settle(client)
    worker = WorkerProcess(place.stack.home, "bench_run", "bench_run", place.home / "worker.log")
    observer = None
    try:
        worker.assigned_at()
        observer = Observer(place, "bench_run", _LOOK_S[shape])
        pids = {**place.pids(), "worker": worker.pid}
        costs = Costs(pids)
        with Sampler(pids, every_s=1.0) as memory, _Parts(place) as parts:
            seconds = send_steadily(place, load, range(load.messages), rate / GROUP_SIZE)
            cpu = costs.used()
            place.wait_done(client, "bench_run", load.messages, worker)
        steps = worker.step_seconds()
    finally:
        if observer is not None:
            observer.close()
        worker.stop()
    wrong = differences(client, load.key())
    assert observer is not None  # a worker that was never given partitions has raised
    ages = _ages(client, observer)
    client.close()
    return {
        "shape": shape,
        "marks": load.marks,
        "seconds": round(seconds, 2),
        "marks_per_s": round(load.marks / seconds),
        "baseline_marks_per_s": None,
        "ratio": None,
        "engine_limit_share": None,
        "cpu_s_per_million": {
            name: round(cpu[name] * 1e6 / load.marks, 2) for name in ("kafka", "worker", "clickhouse")
        },
        "step_ns": {name: round(value * 1e9 / load.marks) for name, value in steps.items()},
        "equal": not wrong,
        "freshness_s": ages,
        "cores": {name: round(cpu[name] / seconds, 3) for name in ("kafka", "worker", "clickhouse")},
        "worker_rss_mb": [(at, size >> 20) for at, size in memory.growth("worker", 20)],
        "clickhouse_rss_mb": [(at, size >> 20) for at, size in memory.growth("clickhouse", 20)],
        "active_parts_most": parts.most,
        "clickhouse_cores_over_time": parts.cores,
        "load_average": round(os.getloadavg()[0], 1),
        "differences": wrong,
    }


class _Parts:
    """Looks at active parts and ClickHouse's CPU every ten seconds."""

    def __init__(self, place: Place) -> None:
        #: Table -> the most active parts seen.
        self.most: dict[str, int] = {}
        #: Cores ClickHouse used, ten seconds each.
        self.cores: list[float] = []
        self._client, self._pid = place.client("bench_run"), place.pids()["clickhouse"]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="parts", daemon=True)

    def __enter__(self) -> _Parts:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        before, at = cpu_seconds(self._pid), time.monotonic()
        while not self._stop.wait(10.0):
            for table, parts in self._client.query(load_sql("parts")).result_rows:
                self.most[table] = max(int(parts), self.most.get(table, 0))
            now, used = time.monotonic(), cpu_seconds(self._pid)
            self.cores.append(round((used - before) / (now - at), 3))
            before, at = used, now


def send_steadily(place: Place, load: Registers, which: range, messages_per_s: float = math.inf) -> float:
    """Send the registers of these numbers at a rate, at once unless told; returns the seconds until Kafka had all.

    Raises RollcallError when Kafka refused one.
    """
    sender = Sender(place.settings.kafka)
    schema_id = place.schema_ids[load.topic]
    started, sent = time.monotonic(), which.start
    while sent < which.stop:
        due = which.start + (time.monotonic() - started + _TICK_S) * messages_per_s
        last = int(min(which.stop, sent + _AT_ONCE, due))
        if last > sent:
            encoded: encoding.Encoded = load.encoded(schema_id, sent, last)
            sender.send(load.topic, encoded, load.school[sent:last])
            sent = last
        sender.poll()
        if due < which.stop:
            time.sleep(_TICK_S)
    sender.flush()
    if sender.refused:
        raise RollcallError(f"Kafka refused {sender.refused} messages of the load")
    return time.monotonic() - started


def _ages(client: Any, observer: Observer) -> dict[str, dict[str, float]]:
    """Percentiles of age by stage, over messages of equal size."""
    batches = client.query(load_sql("freshness_batches")).result_rows
    number = {row[0]: i for i, row in enumerate(batches)}
    births = client.query(load_sql("freshness_births")).result_rows
    of, born = np.array([number[batch] for batch, _ in births]), np.array([at for _, at in births])
    seen = np.array(observer.seen)
    readable = {
        "history": _reached(seen[:, 0], seen[:, 1], np.cumsum([row[1] for row in batches])),
        "current": _reached(seen[:, 0], seen[:, 2], np.cumsum([row[2] for row in batches])),
        "counts": np.array([row[3] for row in batches]),
    }
    return {stage: _percentiles((at[of] - born) / 1e6) for stage, at in readable.items()}


def _reached(at: Any, count: Any, wanted: Any) -> Any:
    """When ``count`` (seen at ``at``) first was at least each of ``wanted``."""
    return at[np.searchsorted(np.maximum.accumulate(count), wanted)]


def _percentiles(seconds: Any) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(seconds, p)), 3) for p in (50, 95, 99, 100)}

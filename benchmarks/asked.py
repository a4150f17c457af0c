"""`rollcall bench asked`: what questions about a school, an authority and the nation take while marks arrive.

The first part of a day of the nation goes through a worker as fast as it can. Then registers arrive at a steady rate,
and each second somebody asks for the day of an authority and four schools, every fifth second for that of the nation,
one after the other; every school and authority is another one. In the end the tables are held against the answer key of
all that was sent.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from benchmarks.analysts import AUTHORITY, NATION, SCHOOL, figures
from benchmarks.answer_key import differences
from benchmarks.freshness import send_steadily
from benchmarks.loads import registers
from benchmarks.nation import GROUP_SIZE, SESSION_DATE, Nation, authority
from benchmarks.place import Place, Tell
from benchmarks.processes import Costs, WorkerProcess

__all__ = ["Plan", "run"]

_DATABASE = "bench_run"
#: Questions of one second, in their order, and every how many seconds there is one about the nation before them.
_EACH_SECOND = ("authority", *["school"] * 4)
_NATION_EVERY = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """``before``: marks that stand before anybody asks; then ``rate`` marks a second for ``minutes``."""

    rate: int = 10_000
    minutes: float = 2.0
    before: int = 7_350_000
    schools: int = 24_500
    seed: int = 1


def run(plan: Plan, home: Path, tell: Tell) -> dict[str, Any]:
    """Measure on a stack in ``home``: medians and 95th percentiles (ms) by who is asked about, cores, the check.

    Raises UsageError when the nation has not so many marks a day; RollcallError when the stack or the worker fails.
    """
    before = plan.before // GROUP_SIZE
    arriving = max(1, int(plan.rate * plan.minutes * 60) // GROUP_SIZE)
    with Place(home, Nation(plan.schools, "mis"), tell) as place:
        load = registers(place.nation, (before + arriving) * GROUP_SIZE, plan.seed)
        place.load_reference()
        place.warm_up()
        client = place.fresh(_DATABASE)
        worker = WorkerProcess(place.stack.home, _DATABASE, _DATABASE, place.home / "worker.log")
        try:
            worker.assigned_at()
            send_steadily(place, load, range(before))
            place.wait_done(client, _DATABASE, before, worker)
            place.settle(client)
            tell(f"{before * GROUP_SIZE:,} marks stand; now {plan.rate:,} a second arrive")
            costs = Costs({**place.pids(), "worker": worker.pid})
            with _asked(place, plan.seed) as asker:
                seconds = send_steadily(place, load, range(before, load.messages), plan.rate / GROUP_SIZE)
            cpu, ended = costs.used(), time.time()
            behind = place.wait_done(client, _DATABASE, load.messages, worker) - ended
        finally:
            worker.stop()
        wrong = differences(client, load.key())
        client.close()
        place.drop(_DATABASE)
    return {
        "marks_before": before * GROUP_SIZE,
        "marks_arrived": arriving * GROUP_SIZE,
        "marks_per_s": round(arriving * GROUP_SIZE / seconds),
        "schools": plan.schools,
        **{about: figures(taken) for about, taken in asker.taken.items()},
        "cores": {name: round(cpu[name] / seconds, 3) for name in ("kafka", "worker", "clickhouse")},
        "behind_s": round(max(0.0, behind), 2),
        "equal": not wrong,
        "load_average": round(os.getloadavg()[0], 1),
        "differences": wrong,
    }


@dataclass(slots=True)
class _Asker:
    """Asks second after second until told to stop; ``taken`` are seconds by who was asked about."""

    client: Client
    schools: int
    draw: Random
    taken: dict[str, list[float]] = field(default_factory=lambda: {"school": [], "authority": [], "nation": []})
    ended: BaseException | None = None

    def ask(self, over: threading.Event) -> None:
        try:
            for second in itertools.count():
                begun = time.monotonic()
                for about in (*(() if second % _NATION_EVERY else ("nation",)), *_EACH_SECOND):
                    self._ask(about)
                if over.wait(max(0.0, begun + 1.0 - time.monotonic())):
                    return
        except Exception as error:  # noqa: BLE001 - raised again where the figures are taken
            self.ended = error

    def _ask(self, about: str) -> None:
        school = self.draw.randrange(self.schools)
        statement = {"school": SCHOOL, "authority": AUTHORITY, "nation": NATION}[about]
        parameters = {"day": SESSION_DATE, "urn": 100_000 + school, "la": authority(school)}
        begun = time.perf_counter()
        rows = self.client.query(statement, parameters=parameters).result_rows
        self.taken[about].append(time.perf_counter() - begun)
        assert rows or about == "school", f"no answer about the {about}"


@contextmanager
def _asked(place: Place, seed: int) -> Iterator[_Asker]:
    """Somebody who may read asks while the block runs. Raises what ended them, AssertionError among it."""
    options = {**place.settings.clickhouse.client_options(), "username": "reader", "database": _DATABASE}
    client = clickhouse_connect.get_client(**options)
    over, asker = threading.Event(), _Asker(client, place.nation.schools, Random(seed))
    thread = threading.Thread(target=asker.ask, args=(over,), name="asker")
    thread.start()
    try:
        yield asker
    finally:
        over.set()
        thread.join()
        asker.client.close()
    if asker.ended is not None:
        raise asker.ended

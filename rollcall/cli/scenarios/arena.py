"""Where the pipeline is tortured: a small estate, an embedded stack of its own, workers that die, and a judge.

All scenarios of a run share one stack, one database and one estate whose days go on from kill to kill, as in a pipeline
that runs for weeks: what one scenario spoils, the judge finds after it.
"""

from __future__ import annotations

import math
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType

import psutil

from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.judge import judge
from connectors.estate.script import Calendar
from connectors.estate.upheavals import Upheavals
from connectors.estate.verdict import Verdict
from connectors.pupils import UpnKey
from rollcall.cli.reconcile import watermarks
from rollcall.cli.scenarios.decided import publish_alias, publish_rules
from rollcall.cli.scenarios.ground import Gauge, lay
from rollcall.cli.scenarios.processes import Command, wait_until
from rollcall.cli.scenarios.settled import settle, still
from rollcall.errors import StackError
from rollcall.settings import Settings
from rollcall.stack import EmbeddedStack, StackOptions
from sinks.clickhouse import connect
from sinks.reconcile import reconcile
from sinks.verify import verify

__all__ = ["Arena", "Judged"]

#: Short, so that a dead worker's partitions are taken over soon (ms).
SESSION_TIMEOUT_MS = 3_000
#: How long anything may take on a machine that does other things too (s).
PATIENCE_S = 240.0
#: A worker that has had its load for so long and did not die is given more of it (s).
_MORE_LOAD_S = 4.0
_FIRST_DAY = date(2025, 9, 8)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge, `reconcile` and `verify` say of all tables now. Equal only if all is 0."""

    verdict: Verdict
    gap: int
    differences: int

    @property
    def equal(self) -> bool:
        """Nothing lost, duplicated or wrong; everything accounted for; current state as the history says."""
        return self.verdict.equal and not self.gap and not self.differences

    @property
    def examples(self) -> list[str]:
        """Places of what was found; no pupil is named."""
        return [f"{table}: {example}" for table, found in self.verdict.tables.items() for example in found.examples]


class Arena:
    """`with Arena(home, seed, ticks) as arena:` gives a running stack with reference data applied, and no marks yet."""

    def __init__(
        self, home: Path, seed: int, ticks: int, *, schools: int = 4, pupils: int = 1_200, feeds: str = "mixed",
        decided: bool = False,
    ) -> None:  # fmt: skip
        """`ticks`: portions of load at hand; four make a school day. Each is some hundred marks, dirt included.

        feeds: how the schools' marks travel, as `Estate.make` has it. decided: rules between sources, a rule for
        lessons and an alias are in force from the start, and decide marks of every day.
        """
        self.random = random.Random(f"{seed}/torture")
        self.stack = EmbeddedStack(home, StackOptions(kafka_brief=True))
        days = list(_school_days(-(-ticks // 4)))
        self.estate = Estate.make(seed, schools, pupils, days, Dirt.default(), feeds=feeds)
        if decided:
            self.estate.upheavals = Upheavals.lasting(self.estate)
        self.commands: list[Command] = []
        #: What the judge found last.
        self.found: Judged | None = None
        self._gauge: Gauge | None = None
        #: The first portion of load that nobody has played.
        self.next_tick = 0
        self._workers = 0

    def __enter__(self) -> Arena:
        try:
            self.stack.up()
            self.settings = Settings.load(
                home=self.stack.home, clickhouse={"database": "torture"}, worker={"group": "rollcall-torture"}
            )
            lay(self.settings)
            self.refs = UpnKey.of(self.settings).reference
            self.client = connect(self.settings.clickhouse)
            self._gauge = Gauge(self.settings, self.client)
            self.start("reference", "reference", "run")
            self.estate.publish_reference(
                self.settings.kafka.client_config(), self.settings.registry.url, self.refs, pulled_rosters=True
            )
            self.await_reference()
            self._decide()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for command in reversed(self.commands):
            command.signal(signal.SIGCONT)
            command.kill()
        self.commands.clear()
        if self._gauge is not None:
            self._gauge.close()
        self.stack.down()

    def _decide(self) -> None:
        turned = self.estate.upheavals
        if turned is not None:
            publish_rules(self.settings, turned)
            for child in turned.numbers:
                publish_alias(self.settings, self.client, self.estate, child)
            self.await_reference()

    @property
    def gauge(self) -> Gauge:
        """How far everybody is."""
        assert self._gauge is not None  # since __enter__
        return self._gauge

    # ---- processes

    def start(self, name: str, *arguments: str, **environment: str) -> Command:
        """Start `rollcall <arguments>` against this arena's database and group."""
        command = Command(
            name,
            arguments,
            self.stack.home,
            {
                "ROLLCALL_CLICKHOUSE__DATABASE": self.settings.clickhouse.database,
                "ROLLCALL_WORKER__GROUP": self.settings.worker.group,
                "ROLLCALL_WORKER__SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS),
                **environment,
            },
        )
        self.commands.append(command)
        return command

    def worker(self, armed: str = "") -> Command:
        """Start a worker; `armed`: its fail point, as rollcall.failpoints reads it."""
        self._workers += 1
        return self.start(f"worker-{self._workers}", "worker", ROLLCALL_FAILPOINT=armed)

    def running(self, name: str) -> Command:
        """The command of this name that runs now. Raises StackError when there is none."""
        for command in self.commands:
            if command.name == name:
                return command
        raise StackError(f"{name} does not run")

    def gone(self, command: Command) -> None:
        """The command has ended, and was meant to."""
        self.commands.remove(command)

    def kill(self, command: Command) -> None:
        """kill -9."""
        command.kill()
        self.gone(command)

    def stop(self, command: Command) -> None:
        """Let it finish. Raises StackError when it does not leave with 0."""
        code = command.stop()
        self.gone(command)
        if code != 0:
            raise StackError(f"{command.name} left with {code} (log: {command.log})")

    @contextmanager
    def working(self, count: int = 1) -> Iterator[list[Command]]:
        """Workers that run until the block ends, and are then stopped as an operator would. None may end by itself."""
        workers = [self.worker() for _ in range(count)]
        try:
            yield workers
        except BaseException:
            for one in workers:
                self.kill(one)
            raise
        for one in workers:
            one.hear("partitions_assigned", PATIENCE_S)
            self.stop(one)

    # ---- load

    @property
    def left(self) -> int:
        """Portions of load that are left."""
        return len(self.estate.ticks) - self.next_tick

    def take_tick(self) -> int:
        """The next portion of load, for somebody who plays it another way."""
        if not self.left:
            raise StackError("the estate's days are all played: this run was given too little load")
        self.next_tick += 1
        return self.next_tick - 1

    def load(self, portions: int = 1) -> None:
        """Put portions of load straight on the topics: registers as posted, pages as pulls would give them."""
        for _ in range(portions):
            tick = self.take_tick()
            self.estate.produce_direct(
                self.settings.kafka.client_config(), self.settings.registry.url, self.refs, ticks=[tick], page=100
            )

    def load_until(self, reached: Callable[[], bool], worker: Command, what: str) -> None:
        """Give load until `reached()`, and more of it while the worker works and it does not happen.

        Raises StackError when it takes too long.
        """
        end = time.monotonic() + PATIENCE_S
        given, more = False, math.inf
        while not reached():
            now = time.monotonic()
            if now > end:
                raise StackError(f"{what}: not after {PATIENCE_S:.0f} s (log: {worker.log})")
            if self.left and (not given or now > more):
                self.load()
                given, more = True, math.inf
            if more == math.inf and "partitions_assigned" in worker.said:
                # From when it works: what was given before is one batch, and none comes behind it while that is taken.
                more = time.monotonic() + _MORE_LOAD_S
            time.sleep(0.02)

    # ---- what happens to workers

    def die_at(self, point: str, nth: int = 1) -> None:
        """Run a worker under load until it has killed itself at the fail point, at its n-th pass."""
        worker = self.worker(f"{point}:{nth}")
        self.load_until(lambda: worker.exit_code is not None, worker, f"death at {point}")
        if not worker.killed:
            worker.check()
        self.gone(worker)

    def stand_still_at(self, point: str) -> Command:
        """Run a worker under load until it stands still (SIGSTOP) at the fail point; returns it."""
        worker = self.worker(f"{point}:1:stop")
        self.load_until(lambda: _stands_still(worker), worker, f"standing still at {point}")
        return worker

    def drain(self) -> None:
        """Wait until the workers that run have taken everything, and nothing in quarantine is left that a sweep of the
        loader would send again later. Raises when one of them ends.
        """
        settle(self.settings, self.client, self.gauge, PATIENCE_S, self.check)

    def check(self) -> None:
        """Raises StackError when something that should run has ended."""
        for command in self.commands:
            command.check()

    def await_reference(self) -> None:
        """Wait until what is on the reference topics is applied."""
        wait_until("reference data", self.gauge.reference_applied, PATIENCE_S, self.commands, 0.1)

    # ---- the judge

    def judge(self) -> Judged:
        """Everything against every table. Nothing may run that still writes, but the loader: it stands still, and a
        replay that it sent when the last worker had gone is taken in first.
        """
        with still(self.running("reference")):
            if self.gauge.taken().waiting:
                with self.working():
                    self.gauge.drain(PATIENCE_S, self.check)
            return self._judge()

    def _judge(self) -> Judged:
        kafka = self.settings.kafka
        verdict = judge(
            self.estate, self.client, kafka.client_config(), self.settings.registry.url, self.refs,
            group=self.settings.worker.group, check_truth=not self.left,
        )  # fmt: skip
        account = reconcile(self.client, self.settings.worker.group, watermarks(kafka), drained=True)
        rebuilt = verify(self.client)
        self.found = Judged(verdict, account.gap, sum(one.rows for one in rebuilt.differences))
        return self.found


def _school_days(count: int) -> Iterator[date]:
    """The first `count` weekdays on which the estate's schools are open."""
    calendar = Calendar.around(_FIRST_DAY, _FIRST_DAY + timedelta(days=366))
    day = _FIRST_DAY
    for _ in range(count):
        day = calendar.next_open(day)
        yield day
        day += timedelta(days=1)


def _stands_still(command: Command) -> bool:
    command.check()
    return bool(psutil.Process(command.pid).status() == psutil.STATUS_STOPPED)

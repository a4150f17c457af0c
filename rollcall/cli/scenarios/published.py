"""A published file, met: a nation invented to it goes the whole way on a stack of its own, and is published again.

The processes are the real ones (`rollcall reference run`, `worker`). Marks are taken in once the rosters are in the
tables; nothing else of an operator's work is left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from connectors.estate.published.cells import Cell, read
from connectors.estate.published.send import Sent, send
from rollcall.cli.reconcile import watermarks
from rollcall.cli.scenarios.ground import Gauge, lay
from rollcall.cli.scenarios.processes import Command, wait_until
from rollcall.domain import published_files
from rollcall.domain.layouts import LAYOUTS
from rollcall.errors import UsageError
from rollcall.settings import Settings
from rollcall.stack import EmbeddedStack
from sinks.clickhouse import connect
from sinks.publishing import Asked, publish
from sinks.reconcile import reconcile

__all__ = ["Met", "Plan", "Teller", "rehearse_on"]

_LAYOUT = LAYOUTS["dashboard-2025"]
#: Of each part (s): a nation's rosters take minutes.
_PATIENCE_S = 4 * 3600.0


class Teller(Protocol):
    """Who is told how it goes."""

    def step(self, what: str) -> None:
        """A new part of the run begins."""

    def amount(self, done: int, total: int | None = None) -> None:
        """How far the part is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to rehearse: the Daily rows of some dates of a file, or the whole file when `days` is empty.

    las: three-digit codes of authorities, all when empty.
    """

    home: Path
    file: Path
    days: Sequence[date] = ()
    las: Sequence[str] = ()


@dataclass
class Met:
    """What came of it. seconds: of each part. memory: the most that a process had (MiB), by its name."""

    sent: Sent
    comparison: published_files.Comparison
    gap: int
    seconds: dict[str, float]
    memory: dict[str, int]

    @property
    def equal(self) -> bool:
        """Whether every number of the file came out, and every message and mark is accounted for."""
        return self.comparison.equal and not self.gap

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall publish rehearse --json`."""
        sent = {name: value for name, value in self.sent._asdict().items() if name != "last"}
        return {
            "equal": self.equal, **sent, "rows": self.comparison.rows, "cells": self.comparison.cells,
            "differences": [one._asdict() for one in self.comparison.differences], "reconcile_gap": self.gap,
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()}, "memory_mib": self.memory,
        }  # fmt: skip


def rehearse_on(plan: Plan, teller: Teller) -> Met:
    """Rehearse it on a stack in `plan.home`.

    Raises UsageError for a file that is none of these or contradicts itself, RollcallError when a part cannot be
    started, ends or hangs.
    """
    cells = read(plan.file, plan.days, plan.las)
    with _running(plan.home) as run:
        return _Rehearsal(plan, cells, teller, *run).met()


@contextmanager
def _running(home: Path) -> Iterator[tuple[EmbeddedStack, Settings, Gauge]]:
    stack = EmbeddedStack(home)
    try:
        stack.up()
        settings = Settings.load(home=stack.home)
        lay(settings)
        with closing(connect(settings.clickhouse)) as client, closing(Gauge(settings, client)) as gauge:
            yield stack, settings, gauge
    finally:
        stack.down()


@dataclass
class _Rehearsal:
    plan: Plan
    cells: Sequence[Cell]
    teller: Teller
    stack: EmbeddedStack
    settings: Settings
    gauge: Gauge
    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)

    def met(self) -> Met:
        with self._command("reference", "reference", "run") as loader:
            with self._part("sent", "Schools, rosters and registers put on Kafka"):
                sent = self._send()
            with self._part("reference", "Rosters taken in"):
                wait_until("reference data", self.gauge.reference_applied, _PATIENCE_S, [loader], 1.0)
            self._look("reference", loader.pid)
        with self._command("worker", "worker") as worker:
            with self._part("taken_in", "Marks taken in and derived"):
                self.gauge.drain(_PATIENCE_S, worker.check, lambda taken: self.teller.amount(taken.marks))
            self._look("worker", worker.pid)
            worker.stop()
        with self._part("published", "Published, and compared"):
            comparison = self._compared()
        self._look("clickhouse", self.stack.pids()["clickhouse"])
        with closing(connect(self.settings.clickhouse)) as client:
            gap = reconcile(client, self.settings.worker.group, watermarks(self.settings.kafka), drained=True).gap
        return Met(sent, comparison, gap, self.seconds, self.memory)

    def _send(self) -> Sent:
        try:
            return send(self.settings, self.cells, progress=lambda _, done: self.teller.amount(done))
        except ValueError as error:
            raise UsageError(f"{self.plan.file} contradicts itself: {error}") from None

    def _compared(self) -> published_files.Comparison:
        sent = sorted({day.day for cell in self.cells for day in cell.days})
        ours = self.settings.home / "published.csv"
        with closing(connect(self.settings.clickhouse)) as client:
            publish(client, _LAYOUT, Asked(sent[0], sent[-1], tuple(self.plan.las)), ours, None)
        theirs, made = published_files.read(self.plan.file), published_files.read(ours)
        if not self.plan.days:
            return published_files.compare(theirs, made, las=self.plan.las)
        # Figures of weeks and years say something else when only some of their days were sent.
        days = published_files.as_written(self.plan.days)
        return published_files.compare(theirs, made, las=self.plan.las, breakdowns=["Daily"], dates=days)

    @contextmanager
    def _command(self, name: str, *arguments: str) -> Iterator[Command]:
        command = Command(name, arguments, self.settings.home)
        try:
            yield command
        finally:
            command.kill()

    @contextmanager
    def _part(self, name: str, what: str) -> Iterator[None]:
        self.teller.step(what)
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began

    def _look(self, name: str, pid: int) -> None:
        """The most memory that a process has had until now; only Linux keeps it."""
        with suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            self.memory[name] = int(status.partition("VmHWM:")[2].split()[0]) // 1024

"""The processes of a benchmark: the worker as a child, and what each process costs in CPU and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType

import psutil

from rollcall.errors import RollcallError
from rollcall.stack.home import free_port

__all__ = ["Costs", "Sampler", "WorkerProcess", "cpu_seconds"]


def cpu_seconds(pid: int) -> float:
    """CPU used by a process so far, seconds; 0 when it is gone."""
    try:
        return float(sum(psutil.Process(pid).cpu_times()[:2]))
    except psutil.NoSuchProcess:
        return 0.0


@dataclass(slots=True)
class Costs:
    """CPU seconds between two looks, by process name."""

    pids: dict[str, int]
    started: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.started = {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    def used(self) -> dict[str, float]:
        """CPU seconds since it was made."""
        return {name: cpu_seconds(pid) - self.started[name] for name, pid in self.pids.items()}


class Sampler:
    """Samples the resident memory of processes until closed: (seconds since the start, {name: bytes})."""

    def __init__(self, pids: dict[str, int], every_s: float = 0.25) -> None:
        self.samples: list[tuple[float, dict[str, int]]] = []
        self._pids, self._every = pids, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def peak(self, name: str) -> int:
        """Greatest resident memory of a process, bytes."""
        return max((sizes.get(name, 0) for _, sizes in self.samples), default=0)

    def growth(self, name: str, points: int = 10) -> list[tuple[float, int]]:
        """Resident memory over time, thinned to ``points``: (seconds, bytes)."""
        step = max(1, len(self.samples) // points)
        return [(round(at, 1), sizes.get(name, 0)) for at, sizes in self.samples[::step]]

    def _run(self) -> None:
        started = time.monotonic()
        while not self._stop.wait(self._every):
            sizes = {}
            for name, pid in self._pids.items():
                try:
                    sizes[name] = int(psutil.Process(pid).memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            self.samples.append((time.monotonic() - started, sizes))


class WorkerProcess:
    """`rollcall worker` as a child process, with its log in a file and its metrics on a port. Or another command."""

    def __init__(
        self, home: Path, database: str, group: str, log: Path, extra: dict[str, str] | None = None,
        command: tuple[str, ...] = ("worker",),
    ) -> None:  # fmt: skip
        """Starts it. ``extra``: more ROLLCALL_ variables."""
        self._name = command[0]
        self._log = log
        self._port = free_port()
        environment = {
            **os.environ,
            "ROLLCALL_HOME": str(home),
            "ROLLCALL_CLICKHOUSE__DATABASE": database,
            "ROLLCALL_WORKER__GROUP": group,
            "ROLLCALL_OBSERVABILITY__METRICS_PORT": str(self._port),
            "ROLLCALL_OBSERVABILITY__LOG_LEVEL": "info",
            **(extra or {}),
        }
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rollcall.cli", *command],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raises RollcallError when it has ended."""
        if self._process.poll() is not None:
            last = self._log.read_text(errors="replace").strip().splitlines()[-3:]
            raise RollcallError(f"the {self._name} ended with {self._process.returncode}: {' / '.join(last)[:600]}")

    def assigned_at(self, timeout_s: float = 180.0, event: str = "partitions_assigned") -> float:
        """When it was given its partitions, seconds since 1970: it has consumed nothing before. ``event``: of its log.

        Raises RollcallError when it is not in time.
        """
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for line in self._log.read_text(errors="replace").splitlines():
                if f'"{event}"' in line:
                    return datetime.fromisoformat(json.loads(line)["at"]).timestamp()
            self.check()
            time.sleep(0.02)
        raise RollcallError(f"the {self._name} had no partitions after {timeout_s:.0f} s (log: {self._log})")

    def step_seconds(self) -> dict[str, float]:
        """Wall seconds of each step so far, from its own metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = {}
        for line in text.splitlines():
            if line.startswith("rollcall_step_seconds_sum{"):
                name, value = line.split("} ")
                found[name.split('step="')[1].rstrip('"')] = float(value)
        return found

    def stop(self, timeout_s: float = 60.0) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

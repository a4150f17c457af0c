"""Rollcall's own commands as child processes: started, watched, killed by their pid, remembered for `rollcall down`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rollcall.errors import StackError
from rollcall.stack.home import write_atomically
from rollcall.stack.processes import ChildRecord, last_lines, stop

__all__ = ["Command", "forget", "remember", "stop_remembered", "wait_until"]

#: What runs beside the stack of a folder: name -> process. `rollcall down` ends it.
_REMEMBERED = "beside.json"
#: How long a command may take to end by itself once it is told to (s): the worker finishes what is in flight.
GRACE_S = 40.0
_POLL_S = 0.02


class Command:
    """One running `rollcall ...`. Its output goes to a log file; a Ctrl-C at the terminal does not reach it."""

    def __init__(
        self, name: str, arguments: Sequence[str], home: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it against the stack of `home`. `environment`: ROLLCALL_* and others, on top of ours."""
        self.name, self.arguments, self.environment = name, tuple(arguments), dict(environment or {})
        self.log = home / "logs" / f"{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._begin = self.log.stat().st_size if self.log.exists() else 0
        surroundings = {**os.environ, "ROLLCALL_HOME": str(home), "PYTHONUNBUFFERED": "1", **(environment or {})}
        try:
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "rollcall.cli", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=surroundings,
                    start_new_session=True,
                )
        except OSError as error:
            raise StackError(f"cannot start `rollcall {' '.join(arguments)}`: {error.strerror}") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self._process.poll() == -signal.SIGKILL

    @property
    def said(self) -> str:
        """What it has written since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")

    def hear(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait until its output holds `pattern`. Raises StackError when it ends first or takes longer (s)."""
        wanted = re.compile(pattern)
        end = time.monotonic() + timeout
        while (found := wanted.search(self.said)) is None:
            self.check()
            if time.monotonic() > end:
                raise StackError(f"{self.name} is not ready after {timeout:.0f} s (log: {self.log})")
            time.sleep(_POLL_S)
        return found

    def check(self) -> None:
        """Raises StackError, with the end of the log, when it has ended."""
        if self.exit_code is not None:
            raise StackError(
                f"{self.name} ended by itself ({self.exit_code}): {last_lines(self.log)} (log: {self.log})"
            )

    def wait(self, timeout: float) -> int:
        """Wait for its end and return the exit code. Raises StackError when it takes longer (s)."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise StackError(f"{self.name} still runs after {timeout:.0f} s (log: {self.log})") from None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.exit_code is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL when that does not end it; returns the exit code."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(GRACE_S)
        self.kill()
        return self._process.wait()


def wait_until(
    what: str, reached: Callable[[], bool], timeout: float, watched: Sequence[Command] = (), every: float = 0.05
) -> None:
    """Ask `reached` again and again. Raises StackError when a watched command ends, or when it takes too long (s)."""
    end = time.monotonic() + timeout
    while not reached():
        for command in watched:
            command.check()
        if time.monotonic() > end:
            raise StackError(f"{what}: not after {timeout:.0f} s")
        time.sleep(every)


def remember(home: Path, commands: Sequence[Command]) -> None:
    """Write down what goes on running beside the stack of `home`, for `stop_remembered`."""
    records = {command.name: ChildRecord.of(command.pid).to_json() for command in commands}
    write_atomically(home / _REMEMBERED, json.dumps(records, indent=2) + "\n")


def forget(home: Path) -> None:
    """Nothing runs beside the stack of `home` any more."""
    (home / _REMEMBERED).unlink(missing_ok=True)


def stop_remembered(home: Path, *, grace_s: float = GRACE_S) -> list[str]:
    """End what was remembered and still runs, with SIGKILL after the grace (s); returns the names. The last started is
    the first to end.
    """
    try:
        records = json.loads((home / _REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    stopped = []
    for name, content in reversed(records.items()):
        record = ChildRecord.from_json(content)
        if record is not None and record.running:
            stop(record, grace_s)
            stopped.append(name)
    forget(home)
    return stopped

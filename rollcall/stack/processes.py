"""Child processes that outlive the command which started them, told apart from strangers that got their pid."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from rollcall.errors import StackError

__all__ = ["ChildRecord", "kill", "last_lines", "spawn", "stop"]

#: How far two readings of a process's start time may lie apart (s): the kernel counts in ticks of 10 ms.
START_TIME_SLACK_S = 0.05


@dataclass(frozen=True)
class ChildRecord:
    """What is written down about a child: enough to know later whether a pid is still that child."""

    pid: int
    started_at: float

    @classmethod
    def of(cls, pid: int) -> ChildRecord:
        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def from_json(cls, content: Any) -> ChildRecord | None:
        if not isinstance(content, dict):
            return None
        return cls(int(content["pid"]), float(content["started_at"]))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def process(self) -> psutil.Process | None:
        """The running process, or None when it is gone (a zombie is gone, a stranger with its pid is not it)."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started_at) > START_TIME_SLACK_S:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.Error:
            return None

    @property
    def running(self) -> bool:
        return self.process() is not None

    def listens(self, port: int) -> bool:
        """Whether the process itself accepts connections at the port: an answer from there is then its own, and not
        that of a program which took the port between our choosing it and the start."""
        process = self.process()
        try:
            connections = process.net_connections("tcp") if process else []
        except psutil.Error:
            return False
        return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def spawn(command: Sequence[str], *, log: Path, cwd: Path, environment: dict[str, str] | None = None) -> ChildRecord:
    """Start a process in a session of its own, which no Ctrl-C at the terminal reaches; its output goes to `log`."""
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                close_fds=True,
            )
    except OSError as error:
        raise StackError(f"Cannot start {Path(command[0]).name}: {error.strerror} (log: {log})") from error
    _children[child.pid] = child
    return ChildRecord.of(child.pid)


def stop(record: ChildRecord, grace_s: float) -> bool:
    """SIGTERM, and SIGKILL when the process is still there after the grace. Returns when it is gone.

    True when it ended by itself after SIGTERM.
    """
    process = record.process()
    ended = False
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            ended = _gone(record, grace_s)
        if not ended:
            kill(record)
    _reap(record)
    return ended


def kill(record: ChildRecord) -> None:
    """SIGKILL now. Returns when the process is gone. Raises StackError when the kernel does not let it go."""
    process = record.process()
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
        if not _gone(record, 10):
            raise StackError(f"process {record.pid} is still there 10 s after SIGKILL")
    _reap(record)


def _gone(record: ChildRecord, seconds: float) -> bool:
    """Wait until the process runs no more. One whose parent has ended stays a zombie until init asks for it, seconds
    later with some: it holds no file and no port then, and is not waited for.
    """
    deadline = time.monotonic() + seconds
    while record.running:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log as one line, for a message that says why a service did not start."""
    try:
        text = log.read_bytes()[-4000:].decode(errors="replace")
    except OSError:
        return ""
    return " | ".join(line.strip() for line in text.splitlines()[-count:] if line.strip())


#: Children started by this very process: they must be waited for, or they stay as zombies until it ends.
_children: dict[int, subprocess.Popen[bytes]] = {}


def _reap(record: ChildRecord) -> None:
    child = _children.pop(record.pid, None)
    if child is None:
        return
    deadline = time.monotonic() + 5
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)

"""Fail points: places in the ledger's walk where a test may kill the process.

A fail point does nothing unless ``ROLLCALL_FAILPOINT`` names it, as ``name`` or ``name:n`` (die at the n-th pass, from
1). Death is SIGKILL to this very process: no handler, no flush, as when a machine loses power to the process. With a
third part, ``name:n:stop``, it is SIGSTOP: a process that stands still there, until it is let go on (a zombie).
"""

from __future__ import annotations

import os
import signal

#: Every fail point of the worker, in the order of the walk. docs/guarantees.md says what is true on disk at each.
FAIL_POINTS: tuple[str, ...] = (
    "epoch.claimed",
    "recovery.started",
    "recovery.written",
    "recovery.rebuilt",
    "pending.before",
    "pending.written",
    "history.before",
    "history.written",
    "quarantine.written",
    "receipts.written",
    "derive.before",
    "derive.current_written",
    "derive.counts_written",
    "done.written",
    "commit.before",
    "commit.after",
)

#: Of whoever sends out of quarantine: before a message is sent again, when Kafka has it, when that is noted.
REPLAY_POINTS: tuple[str, ...] = ("replay.read", "replay.sent", "replay.noted")

#: Of the archive: when it has read messages, when they stand in ClickHouse, when Kafka knows that.
ARCHIVE_POINTS: tuple[str, ...] = ("archive.read", "archive.written", "archive.committed")


class FailPoints:
    """The armed fail point of this process, read once when the worker starts."""

    def __init__(self, armed: str | None = None) -> None:
        """``armed``: ``name``, ``name:n`` or ``name:n:stop``; None reads ``ROLLCALL_FAILPOINT``.

        Raises ValueError for an unknown name or something else than a number or "stop" where it belongs.
        """
        given = os.environ.get("ROLLCALL_FAILPOINT", "") if armed is None else armed
        name, nth, how = (*given.split(":"), "", "")[:3]
        known = (*FAIL_POINTS, *REPLAY_POINTS, *ARCHIVE_POINTS)
        if name and name not in known:
            raise ValueError(f"unknown fail point {name!r}; the fail points are {', '.join(known)}")
        if how not in ("", "stop"):
            raise ValueError(f"a fail point kills, or with :stop stops; not {how!r}")
        self._name, self._nth, self._passes = name, int(nth or 1), 0
        self._signal = signal.SIGSTOP if how else signal.SIGKILL

    def reach(self, name: str) -> None:
        """Pass the fail point ``name``; when it is armed and its turn has come, it ends (or stops) the process here."""
        if name != self._name:
            return
        self._passes += 1
        if self._passes == self._nth:
            os.kill(os.getpid(), self._signal)

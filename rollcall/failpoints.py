"""Fail points: places in the ledger's walk where a test may kill the process.

A fail point does nothing unless ``ROLLCALL_FAILPOINT`` names it, as ``name`` or ``name:n`` (die at the n-th pass, from 1).
Death is SIGKILL to this very process: no handler, no flush, as when a machine loses power to the process.
"""

from __future__ import annotations

import os
import signal

#: Every fail point, in the order of the walk. docs/guarantees.md says what is true on disk at each.
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


class FailPoints:
    """The armed fail point of this process, read once when the worker starts."""

    def __init__(self, armed: str | None = None) -> None:
        """``armed``: ``name`` or ``name:n``; None reads ``ROLLCALL_FAILPOINT``. Raises ValueError for an unknown name."""
        name, _, nth = (os.environ.get("ROLLCALL_FAILPOINT", "") if armed is None else armed).partition(":")
        if name and name not in FAIL_POINTS:
            raise ValueError(f"unknown fail point {name!r}; the fail points are {', '.join(FAIL_POINTS)}")
        self._name, self._nth, self._passes = name, int(nth or 1), 0

    def reach(self, name: str) -> None:
        """Pass the fail point ``name``; does not return if it is armed and its turn has come."""
        if name != self._name:
            return
        self._passes += 1
        if self._passes >= self._nth:
            os.kill(os.getpid(), signal.SIGKILL)

"""How far behind the school is that is furthest behind: a metric of each source."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from connectors.state import StateFolder
from rollcall import metrics
from rollcall.errors import ConfigError

__all__ = ["CursorAge"]


class CursorAge:
    """The cursors of the schools that a process has met. Where several share them, another may have moved one since."""

    def __init__(self, name: str, state: StateFolder) -> None:
        self._name, self._state = name, state
        self._cursors: dict[str, datetime] = {}

    def met(self, school: str, cursor: datetime) -> None:
        """This is the school's cursor now."""
        self._cursors[school] = cursor

    def tell(self, now: datetime) -> None:
        """Set the metric."""
        while self._cursors:
            oldest = min(self._cursors, key=self._cursors.__getitem__)
            with suppress(ConfigError):
                kept = self._state.load(oldest).cursor
                if kept is not None and kept > self._cursors[oldest]:
                    self._cursors[oldest] = kept
                    continue
            age = (now - self._cursors[oldest]).total_seconds()
            metrics.CONNECTOR_CURSOR_AGE_SECONDS.labels(connector=self._name).set(age)
            return

"""What the worker remembers of assertions, loaded date by date from ClickHouse when a date is first met.

Two memories: the assertions in force, to tell repeats from news, and which pupil-sessions have any. The first leaves
out rows that are yet to be read; the second must have them all, of whatever topic and partition.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from sinks.writer import Writer
from streams import kernels
from streams.batch import Topic
from streams.frames import COUNTING
from streams.pupil_sessions import PupilSessions
from streams.suppression import Assertions

__all__ = ["Memory", "assertion_keys"]

_EPOCH = date(1970, 1, 1)


class Memory:
    """Assertions of the owned partitions, for the dates met so far. Dropped when partitions are revoked."""

    def __init__(self, writer: Writer, owned: dict[Topic, list[int]], expected: int = 1 << 16) -> None:
        """``owned``: partitions by topic; ``expected``: assertions to make room for at once."""
        self.assertions = Assertions(expected)
        #: None where topics give us different partitions: then another worker may see the same schools.
        self.pupil_sessions = PupilSessions(expected) if _together(owned) else None
        self._writer, self._owned = writer, owned
        self._days: set[int] = set()
        #: (topic uuid, partition, offset): rows from this offset on must not be learned, they are yet to be read.
        self.unread: list[tuple[str, int, int]] = []

    def meet(self, days: Iterable[int]) -> None:
        """Load the assertions of ``days`` (since 1970) that are not loaded yet, in one query a topic."""
        new = sorted(set(days) - self._days)
        if not new:
            return
        self._days.update(new)
        dates = [(_EPOCH + timedelta(days=d)).isoformat() for d in new if 0 < d <= 65_535]
        if not dates:
            return
        for topic, partitions in self._owned.items():
            below = {p: offset for uuid, p, offset in self.unread if uuid == topic.uuid}
            bounds = [below.get(p, 2**63 - 1) for p in partitions]
            for table in self._writer.assertions(topic.uuid, partitions, bounds, dates):
                self._learn(table)
            self._learn_reasserted(self._writer.reasserted(topic.uuid, partitions, bounds, dates))
        if self.pupil_sessions is not None:
            self.pupil_sessions.learn(self._writer.pupil_sessions(dates))

    def _learn(self, table: object) -> None:
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        if not frame.height:
            return
        key = assertion_keys(frame)
        self.assertions.learn(
            key, frame["pupil_id"].cast(pl.UInt64).to_numpy(), frame["version"].cast(pl.UInt64).to_numpy(),
            frame["content"].cast(pl.UInt64).to_numpy(),
        )  # fmt: skip

    def _learn_reasserted(self, table: object) -> None:
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        if frame.height:
            self.assertions.learn_reasserted(
                frame["key"].cast(pl.UInt64).to_numpy(), frame["version"].cast(pl.UInt64).to_numpy()
            )


def assertion_keys(frame: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """The keys (kernels.assertion_keys) of rows of the history: urn, day (since 1970), session (1 AM, 2 PM), source,
    record_id and, unless all are of sessions, period.
    """
    no_period = np.full(frame.height, kernels.hash_text(""), np.uint64)
    period = kernels.hash_strings(frame["period"]) if "period" in frame.columns else no_period
    keys: npt.NDArray[np.uint64] = kernels.assertion_keys(
        frame["urn"].cast(pl.UInt32).to_numpy(), frame["day"].cast(pl.Int32).to_numpy(),
        frame["session"].cast(pl.UInt8).to_numpy(),
        kernels.hash_strings(frame["source"]), period, kernels.hash_strings(frame["record_id"]),
    )  # fmt: skip
    return keys


def _together(owned: dict[Topic, list[int]]) -> bool:
    """Whether the topics whose marks may count give us partitions of the same numbers: a school's are all ours."""
    numbers = {topic.name: frozenset(partitions) for topic, partitions in owned.items()}
    return len({numbers.get(name) for name in COUNTING}) == 1

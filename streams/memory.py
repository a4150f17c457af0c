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
from streams.suppression import Assertions, Reasserted, aside

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
            reasserted = _reasserted(self._writer.reasserted(topic.uuid, partitions, bounds, dates))
            for table in self._writer.assertions(topic.uuid, partitions, bounds, dates):
                self._learn(table, reasserted, of_kiosks=topic.source_kind == "kiosk")
        if self.pupil_sessions is not None:
            self.pupil_sessions.learn(self._writer.pupil_sessions(dates))

    def _learn(self, table: object, reasserted: Reasserted, of_kiosks: bool) -> None:
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        if not frame.height:
            return
        key, pupil = assertion_keys(frame), frame["pupil_id"].cast(pl.UInt64).to_numpy()
        self.assertions.learn(
            key, _places(frame, of_kiosks), frame["version"].cast(pl.UInt64).to_numpy(),
            frame["content"].cast(pl.UInt64).to_numpy(), reasserted.of(key, pupil),
        )  # fmt: skip


def _reasserted(table: object) -> Reasserted:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    if not frame.height:
        return Reasserted(np.zeros(0, np.uint64), np.zeros(0, np.uint64))
    return Reasserted(frame["key"].cast(pl.UInt64).to_numpy(), frame["version"].cast(pl.UInt64).to_numpy())


def _places(frame: pl.DataFrame, of_kiosks: bool) -> npt.NDArray[np.uint64]:
    """The places (kernels.pupil_places) of rows of the history."""
    places: npt.NDArray[np.uint64] = kernels.pupil_places(
        frame["urn"].cast(pl.UInt32).to_numpy(), frame["day"].cast(pl.Int32).to_numpy(),
        frame["session"].cast(pl.UInt8).to_numpy(),
        aside(_periods(frame), np.full(frame.height, of_kiosks)),
        frame["pupil_id"].cast(pl.UInt64).to_numpy(),
    )  # fmt: skip
    return places


def assertion_keys(frame: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """The keys (kernels.assertion_keys) of rows of the history: urn, day (since 1970), session (1 AM, 2 PM), source,
    record_id and, unless all are of sessions, period.
    """
    keys: npt.NDArray[np.uint64] = kernels.assertion_keys(
        frame["urn"].cast(pl.UInt32).to_numpy(), frame["day"].cast(pl.Int32).to_numpy(),
        frame["session"].cast(pl.UInt8).to_numpy(),
        kernels.hash_strings(frame["source"]), _periods(frame), kernels.hash_strings(frame["record_id"]),
    )  # fmt: skip
    return keys


def _periods(frame: pl.DataFrame) -> npt.NDArray[np.uint64]:
    if "period" in frame.columns:
        return kernels.hash_strings(frame["period"])
    return np.full(frame.height, kernels.hash_text(""), np.uint64)


def _together(owned: dict[Topic, list[int]]) -> bool:
    """Whether the topics whose marks may count give us partitions of the same numbers: a school's are all ours."""
    numbers = {topic.name: frozenset(partitions) for topic, partitions in owned.items()}
    return len({numbers.get(name) for name in COUNTING}) == 1

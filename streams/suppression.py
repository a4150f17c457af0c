"""The assertions in force that the worker remembers, to tell an unchanged repeat from news.

Never a set of seen ids: A, B, A keeps its third event. The state is a cache of mark_assertion and register_receipt:
losing it costs rows in the history, never a wrong current mark. Rows of PENDING ranges are left out when it is loaded,
else a replay would be taken for a repeat and never heal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams import kernels

__all__ = ["Assertions", "Reasserted", "aside"]

U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


class Assertions:
    """(assertion key, place) -> version and content in force, and the latest re-assertion. 40 bytes a slot."""

    def __init__(self, expected: int = 1 << 16) -> None:
        """``expected``: keys to make room for at once; growing later costs a copy."""
        self._table = np.zeros((kernels.probe_size(expected), 5), np.uint64)
        self._held = 0

    def __len__(self) -> int:
        return self._held

    @property
    def nbytes(self) -> int:
        """Memory of the table, bytes."""
        return int(self._table.nbytes)

    def reserve(self, more: int) -> None:
        """Make room for ``more`` new keys at no more than 7/8 full.

        Fuller than a table of one cache line a probe would like, but the next size costs twice the memory: a national
        day (14 million keys) stays in 0.67 GB.
        """
        size = len(self._table)
        while (self._held + more) * 8 > size * 7:
            size *= 2
        if size > len(self._table):
            larger = np.zeros((size, 5), np.uint64)
            kernels.regrow(self._table, larger)
            self._table = larger

    def learn(self, key: U64, place: U64, version: U64, content: U64, again: U64) -> None:
        """Load assertions that stand in ClickHouse; the greatest version of a key wins. ``again``: see `Reasserted`."""
        self.reserve(len(key))
        self._held += int(kernels.learn(self._table, key, place, version, content, again))

    def judge(
        self, key: U64, place: U64, version: U64, content: U64, *, told: Bools, complete: Bools, stands: Bools,
        weighed: Bools, linked: Bools, verdict: npt.NDArray[np.uint8],
    ) -> U64:  # fmt: skip
        """Judge marks in partition order (kernels.suppress); writes ``verdict`` and remembers what was accepted.

        Returns what decides between speakers, n x 4: mark, version and content of an assertion, and its latest time.
        """
        self.reserve(len(key))
        new, again = kernels.suppress(
            self._table, key, place, version, content, told, complete, stands, weighed, linked, verdict
        )
        self._held += int(new)
        return np.asarray(again, np.uint64)


class Reasserted:
    """When assertions were last said again, by what receipts call them (``unchanged_keys``)."""

    def __init__(self, named: U64, version: U64) -> None:
        """``named``: distinct."""
        size = kernels.probe_size(len(named))
        self._slots, self._rows, self._version = np.zeros(size, np.uint64), np.zeros(size, np.uint32), version
        kernels.fill(self._slots, self._rows, named, np.arange(len(named), dtype=np.uint32))

    def of(self, key: U64, pupil: U64) -> U64:
        """The version at which each assertion was last said again; 0 where it never was."""
        return np.asarray(kernels.reasserted(self._slots, self._rows, self._version, key, pupil), np.uint64)


def aside(period: U64, of_kiosks: Bools) -> U64:
    """What sets assertions of one pupil and session apart (kernels.pupil_places): the lesson, ``period`` its hash (rule
    7), and that evidence of kiosks is never weighed against what counts (rule 17).
    """
    return np.where(of_kiosks, ~period, period)

"""The assertions in force that the worker remembers, to tell an unchanged repeat from news.

Never a set of seen ids: A, B, A keeps its third event. The state is a cache of mark_assertion and register_receipt:
losing it costs rows in the history, never a wrong current mark. Rows of PENDING ranges are left out when it is loaded,
else a replay would be taken for a repeat and never heal.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams import kernels

__all__ = ["Assertions"]

U64 = npt.NDArray[np.uint64]


class Assertions:
    """(assertion key, pupil_id) -> version and content in force, and the latest re-assertion. 40 bytes a slot."""

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

    def learn(self, key: U64, pupil: U64, version: U64, content: U64) -> None:
        """Load assertions that stand in ClickHouse; the greatest version of a key wins."""
        self.reserve(len(key))
        self._held += int(kernels.learn(self._table, key, pupil, version, content))

    def learn_reasserted(self, named: U64, version: U64) -> None:
        """Load re-assertions (receipts) of assertions already learned. ``named``: distinct, as ``unchanged_keys``."""
        size = kernels.probe_size(len(named))
        slots, rows = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
        kernels.fill(slots, rows, named, np.arange(len(named), dtype=np.uint32))
        kernels.learn_reasserted(self._table, slots, rows, version)

    def judge(
        self, key: U64, pupil: U64, version: U64, content: U64, told: npt.NDArray[np.bool_],
        complete: npt.NDArray[np.bool_], stands: npt.NDArray[np.bool_], verdict: npt.NDArray[np.uint8],
    ) -> None:  # fmt: skip
        """Judge marks in partition order (kernels.suppress); writes ``verdict`` and remembers what was accepted."""
        self.reserve(len(key))
        self._held += int(kernels.suppress(self._table, key, pupil, version, content, told, complete, stands, verdict))

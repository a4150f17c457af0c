"""Which pupil-sessions anything was said about: a mark that is the first of its pupil and session counts.

Such a mark goes into mark_current with the history, by a view, and derive has nothing to do for it; any other is
derived by the rule. So this must never take a later mark for the first. The other mistake costs one derive: it is a
filter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams import kernels

__all__ = ["PupilSessions"]

U64 = npt.NDArray[np.uint64]

#: Bits for each pupil-session expected, at least: about one first in 50,000 is then taken for a later one.
_BITS_EACH = 32
#: Room of the smallest filter: 4 MB.
_LEAST_ROOM = 1 << 20


class PupilSessions:
    """A filter of (school, date, session, pupil): it knows all it was told, and a few that it was not."""

    def __init__(self, expected: int = 1 << 16) -> None:
        """``expected``: how many to make room for at once; beyond them a larger filter is added to the full ones."""
        self._room = max(expected, _LEAST_ROOM)
        self._full: list[U64] = []
        self._words = _filter(self._room)
        self._held = 0

    def learn(self, keys: U64) -> None:
        """Remember pupil-sessions (`kernels.pupil_session_keys`)."""
        self.first(keys)

    def first(self, keys: U64) -> npt.NDArray[np.bool_]:
        """Which of ``keys``, in order, were not known, nor met before in ``keys``; remembers them all."""
        if self._held >= self._room:
            self._full.append(self._words)
            self._room *= 2
            self._words, self._held = _filter(self._room), 0
        new = np.ones(len(keys), np.bool_)
        for words in self._full:
            kernels.leave_out_known(words, keys, new)
        self._held += int(kernels.remember(self._words, keys, new))
        return new


def _filter(room: int) -> U64:
    size = 1 << 10
    while size * 64 < room * _BITS_EACH:
        size *= 2
    return np.zeros(size, np.uint64)

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

#: Bits for each pupil-session expected, at least: of a full filter one first in some millions is then taken for a later
#: one. With 32 it was one in 50,000, and a third of the batches of a national day had something to derive.
_BITS_EACH = 64
#: Room of the smallest filter: 4 MB.
_LEAST_ROOM = 1 << 19


class PupilSessions:
    """A filter of (school, date, session, pupil): it knows all it was told, and a few that it was not."""

    def __init__(self, expected: int = 1 << 16) -> None:
        """``expected``: how many to make room for at once; beyond them a larger filter is added to the full ones."""
        self._full: list[U64] = []
        self._begin(max(expected, _LEAST_ROOM))

    def learn(self, keys: U64) -> None:
        """Remember pupil-sessions (`kernels.pupil_session_keys`), however many: those of days until now, at once."""
        self._make_room(len(keys))
        self.first(keys)

    def first(self, keys: U64) -> npt.NDArray[np.bool_]:
        """Which of ``keys``, in order, were not known, nor met before in ``keys``; remembers them all."""
        self._make_room(1)
        new = np.ones(len(keys), np.bool_)
        for words in self._full:
            kernels.leave_out_known(words, keys, new)
        self._held += int(kernels.remember(self._words, keys, new))
        return new

    def _make_room(self, more: int) -> None:
        """Room for ``more``: an overfull filter knows everything, and then every mark is derived."""
        if self._held + more <= self._room:
            return
        if self._held:
            self._full.append(self._words)
        self._begin(2 * max(self._room, more))

    def _begin(self, room: int) -> None:
        self._room, self._held = room, 0
        self._words = _filter(room)


def _filter(room: int) -> U64:
    size = 1 << 10
    while size * 64 < room * _BITS_EACH:
        size *= 2
    return np.zeros(size, np.uint64)

"""The schools of a cut that have given up their places and go on beside the others, and how many there may be.

One of them costs an open connection, some 50 kB, and 0.00005 of a core for being asked twice a second whether it still
permits us. So the bound is what the process may have open. Beyond it the one that has taken longest gives way: it is
asked again when all others have had their turn (`connectors.snapshots.asking`). It may be in no trouble at all, and
those that came after it may be.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from rollcall.open_files import may_open

__all__ = ["Beside", "room"]

#: They come to half a gigabyte and half a core.
_MOST = 10_000
#: What the process has open besides: notes, state, Kafka, logs.
_ELSEWHERE = 256
#: A place at the table: the connection of the school that is asked, and one that was just left and is not closed yet.
_A_PLACE = 2


@dataclass
class Beside:
    """The schools beside, of all sources of a process, in the order in which they came. most: so many may be there."""

    most: int
    _there: OrderedDict[asyncio.Task[None], Callable[[], None]] = field(default_factory=OrderedDict)

    def goes_on(self, asking: asyncio.Task[None], gives_way: Callable[[], None]) -> None:
        """A school goes on here until its asking ends. gives_way: told when it has to, just before it is cancelled."""
        self._there[asking] = gives_way
        asking.add_done_callback(lambda ended: self._there.pop(ended, None))
        if len(self._there) > self.most:
            longest, told = self._there.popitem(last=False)
            told()
            longest.cancel()


def room(at_once: int, sources: int) -> int:
    """For how many there is room, of so many schools asked at once of each of so many sources; 64 at least."""
    files = may_open()
    places = min(_A_PLACE * at_once * sources, files // 2)  # there may be more sources than schools
    return max(64, min(_MOST, files - _ELSEWHERE - places))

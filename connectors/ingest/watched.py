"""A small JSON file that commands write and a running API follows: keys, webhooks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

__all__ = ["Watched", "write"]

T = TypeVar("T")
#: How long a look at the file's modification time holds.
_LOOK_SECONDS = 0.5


class Watched(Generic[T]):
    """What a file says now: read again, within a second, when it changes. No file says `nothing`."""

    def __init__(self, file: Path, read: Callable[[Path], T], nothing: T) -> None:
        """Reads at once. Raises what `read` raises, now and whenever the file was changed to something unreadable."""
        self._file, self._read, self._nothing = file, read, nothing
        self._looked = -1.0
        self._seen: tuple[int, int, int] | None = None
        self._says = nothing
        self.says()

    def says(self) -> T:
        """What the file says now, as `read` makes it."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS and self._looked >= 0:
            return self._says
        self._looked = now
        try:
            found = self._file.stat()
        except FileNotFoundError:
            self._seen, self._says = None, self._nothing
            return self._says
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            self._says = self._read(self._file)
            self._seen = seen
        return self._says


def write(file: Path, stored: Any) -> None:
    """Replace the file by this JSON, atomically, readable by its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(stored, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)

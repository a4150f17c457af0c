"""Small files of ours that must survive kill -9, and locks between processes. Nothing here knows what is in them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

__all__ = ["Claim", "claimed", "locked", "write_durably"]

#: Somebody who only looks whether a claim stands holds it for an instant; a claim waits so long for that (s).
_LOOKERS_SECONDS = 0.2


def write_durably(file: Path, text: str) -> None:
    """Replace a file, readable by its owner only: a reader finds the old content or the new, never half.

    On return it survives a crash of the machine. Makes its folder. Raises OSError.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """One at a time: waits for whoever holds the lock. The end of a process, however it comes, gives it back."""
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Claim:
    """`with Claim(file) as ours:` tries to be the only one; `ours` is False when another process has claimed it."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = file.open("w")
        self.ours = False

    def __enter__(self) -> bool:
        deadline = time.monotonic() + _LOOKERS_SECONDS
        while not self.ours:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.ours = True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        return self.ours

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()


def claimed(file: Path) -> bool:
    """Whether a process has claimed this now."""
    try:
        with file.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False

"""Small files of ours that must survive kill -9, and locks between processes. Nothing here knows what is in them."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from rollcall import files

__all__ = ["Claim", "claimed", "locked", "write_durably"]

#: Somebody who only looks whether a claim stands holds it for an instant; a claim waits so long for that (s).
_LOOKERS_SECONDS = 0.2
#: Who looks at a claim that several share asks so often whether it was only another who looked, and so far apart (s).
_LOOKS, _BETWEEN_LOOKS_SECONDS = 4, 0.003


def write_durably(file: Path, text: str) -> None:
    """`rollcall.files.write_durably`, readable by its owner only; makes its folder. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.write_durably(file, text)


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """One at a time: waits for whoever holds the lock. The end of a process, however it comes, gives it back."""
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Claim:
    """`with Claim(file) as ours:` tries to be the only one; `ours` is False when another process has claimed it.

    shared: be one of several instead; whoever wants to be the only one is then refused, and refuses us.
    patience: how long to wait for whoever holds it (s).
    """

    def __init__(self, file: Path, *, shared: bool = False, patience: float = _LOOKERS_SECONDS) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = file.open("w")
        self._kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._patience = patience
        self.ours = False

    def __enter__(self) -> bool:
        deadline = time.monotonic() + self._patience
        while not self.ours:
            try:
                fcntl.flock(self._handle, self._kind | fcntl.LOCK_NB)
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
    """Whether a process has claimed this now, alone or with others."""
    try:
        with file.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # nobody has it alone
            for look in range(_LOOKS):
                if look:
                    time.sleep(_BETWEEN_LOOKS_SECONDS)
                if _free(handle):
                    return False
            return True
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def _free(handle: IO[str]) -> bool:
    """Whether nobody else holds it, shared or alone."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # a try that fails gives up what one had
        return False
    return True

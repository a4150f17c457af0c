"""Files that are replaced whole and survive a crash of the machine. Nothing here knows what is in them."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_durably"]


def write_durably(file: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file of an existing folder: a reader finds the old content or the new, never half.

    On return it survives a crash of the machine. `mode`: who may read it; its owner only. Raises OSError.
    """
    beside = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as out:
        os.fchmod(out.fileno(), mode)  # a file that a cut-off write left beside keeps its own mode otherwise
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

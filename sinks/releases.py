"""A file for publication with its manifest beside it: each replaced whole, the manifest last, so that whoever finds the
manifest finds what it is of.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rollcall.errors import UsageError
from rollcall.files import write_durably

__all__ = ["as_csv", "sha256", "write"]

#: Who may read what is published.
_READABLE = 0o644


def as_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Rows as the text of a CSV file."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def sha256(text: str) -> str:
    """The fingerprint of a file's text, as a manifest says it."""
    return hashlib.sha256(text.encode()).hexdigest()


def write(file: Path, text: str, manifest: Mapping[str, Any], private: Mapping[str, str] | None = None) -> None:
    """Write the file, and `<file>.manifest.json`. `private`: texts by name, of files beside it for ourselves alone.

    Raises UsageError when they cannot be written.
    """
    try:
        write_durably(file, text, _READABLE)
        for name, own in (private or {}).items():
            write_durably(file.with_name(name), own)
        write_durably(file.with_name(f"{file.name}.manifest.json"), json.dumps(manifest, indent=2), _READABLE)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None

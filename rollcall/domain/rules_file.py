"""What files of rules have in common, whatever the rules are of: a JSON object with the list `rules`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rollcall.errors import UsageError

__all__ = ["check_entry", "read"]


def read(file: Path, wanted: str) -> tuple[dict[str, Any], list[tuple[Any, str]]]:
    """(the object, its entries each with its place in words). Raises UsageError; `wanted` says what a file must be."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {error}") from None
    entries = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UsageError(f"{file}: {wanted}")
    return document, [(entry, f"{file}, rule {place}") for place, entry in enumerate(entries, 1)]


def check_entry(entry: Any, fields: Sequence[str], where: str) -> None:
    """Raises UsageError where an entry is no object, or has a field that is none of ``fields``."""
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: an object is wanted")
    if strange := sorted(set(entry) - set(fields)):
        raise UsageError(f"{where}: {strange[0]} is no field of a rule; these are: {', '.join(fields)}")

"""Where our messages name a pupil, and a message without one of them: for erasure (docs/data-protection.md).

A pupil is named by a scheme and a reference, side by side in one record: a mark's pupil_scheme and pupil_ref, a
sign-in's scheme and person_ref, one of a roster's refs.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

__all__ = ["ERASED", "Reference", "mentions", "without"]

#: (scheme, ref): what a school's source calls a pupil.
Reference = tuple[str, str]

#: Stands where a reference or the id of a pupil's record stood.
ERASED = "erased"

_PAIRS = (("pupil_scheme", "pupil_ref"), ("scheme", "person_ref"), ("scheme", "ref"))


def mentions(record: Any, references: Set[Reference]) -> bool:
    """Whether a decoded message, or any part of it, names one of `references`."""
    if isinstance(record, Mapping):
        return _names(record, references) or any(mentions(value, references) for value in record.values())
    return isinstance(record, list) and any(mentions(one, references) for one in record)


def without(record: Any, references: Set[Reference]) -> Any:
    """The message without the pupil: marks and sign-ins keep their place, under `ERASED`; a roster's entry goes whole.

    Places are kept because a mark is known by its place in its message.
    """
    if isinstance(record, list):
        return [without(one, references) for one in record if not _is_entry(one, references)]
    if not isinstance(record, Mapping):
        return record
    kept = {name: without(value, references) for name, value in record.items()}
    for scheme, ref in _PAIRS:
        if (record.get(scheme), record.get(ref)) in references:
            kept[ref] = ERASED
            if "record_id" in kept:
                kept["record_id"] = ERASED
    return kept


def _names(record: Mapping[str, Any], references: Set[Reference]) -> bool:
    return any((record.get(scheme), record.get(ref)) in references for scheme, ref in _PAIRS)


def _is_entry(one: Any, references: Set[Reference]) -> bool:
    """Whether it is a roster's entry of the pupil."""
    return isinstance(one, Mapping) and "refs" in one and any(_names(ref, references) for ref in one["refs"])

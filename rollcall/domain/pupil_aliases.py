"""Aliases of pupils: two numbers for one child (merge), or one for two (split). What may be said of a pupil_id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import xxhash

from rollcall.domain.clock import OPEN_END, OPEN_START

__all__ = ["KINDS", "PupilAlias", "check", "merge", "number", "of_record", "split"]

KINDS = ("merge", "split")
_LARGEST = 2**64 - 1


class PupilAlias(NamedTuple):
    """Marks of the school, system and session dates (both inclusive; None is any) that count for `to_pupil_id`."""

    to_pupil_id: int
    kind: str
    urn: int | None = None
    source: str | None = None
    first_day: date | None = None
    last_day: date | None = None


def number(text: str) -> int:
    """A pupil_id written in digits. Raises ValueError when it is none."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _LARGEST and str(int(text)) == text):
        raise ValueError(f"{text} is no pupil_id: that is a number from 1 to {_LARGEST}")
    return int(text)


def of_record(record: Mapping[str, Any]) -> PupilAlias:
    """The alias of a record of `reference.pupil-alias.v1`. Raises ValueError when its number is none."""
    return PupilAlias(**{**record, "to_pupil_id": number(record["to_pupil_id"])})


def merge(to_pupil_id: int) -> PupilAlias:
    """All marks count for another pupil."""
    return PupilAlias(to_pupil_id, "merge")


def split(pupil_id: int, *, source: str | None = None, first_day: date | None = None) -> PupilAlias:
    """The marks of a system, or those from a session date on, are another child's.

    That child gets a pupil_id of its own: the same for the same split, wherever it is computed.
    """
    name = f"split|{pupil_id}|{source or ''}|{first_day.isoformat() if first_day else ''}"
    return PupilAlias(int(xxhash.xxh3_64_intdigest(name.encode())) or 1, "split", source=source, first_day=first_day)


def check(pupil_id: str, aliases: Sequence[PupilAlias]) -> None:
    """Raises ValueError when this cannot be said of a pupil_id: of one at a time its marks count for one other only."""
    own = number(pupil_id)
    if len({one.to_pupil_id for one in aliases}) > 1:
        raise ValueError("the marks of a pupil_id count for itself and one other, not for two")
    for place, one in enumerate(aliases, 1):
        if one.to_pupil_id == own:
            raise ValueError(f"alias {place} leads to its own pupil_id")
        if one.kind not in KINDS:
            raise ValueError(f"alias {place}: kind is {' or '.join(KINDS)}, not {one.kind}")
        if one.urn is not None and not 0 < one.urn < 2**32:
            raise ValueError(f"alias {place}: {one.urn} is no URN")
        if (one.first_day or OPEN_START) > (one.last_day or OPEN_END):
            raise ValueError(f"alias {place} ends before it begins")

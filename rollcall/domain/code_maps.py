"""A code map as a document: what makes one that may be published, and what two of them differ in.

A map says what the raw codes of a scheme mean on a session date (rules 2 to 4). It is published whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.codes import BY_CODE, MAX_CODE_LENGTH, MapEntry, malformed

__all__ = ["Differences", "Span", "changed_spans", "check", "differences", "in_order", "on"]

_DAY = timedelta(days=1)


class Differences(NamedTuple):
    """What the later of two maps says otherwise. An entry is known by its raw code and first day."""

    added: tuple[MapEntry, ...]
    removed: tuple[MapEntry, ...]
    #: (before, after): another canonical code, or another last day.
    changed: tuple[tuple[MapEntry, MapEntry], ...]


class Span(NamedTuple):
    """Session dates, both inclusive, on which two maps give a raw code another meaning."""

    raw_code: str
    first_day: date
    last_day: date


def check(entries: Sequence[MapEntry]) -> None:
    """Raises ValueError, naming the code, when a map must not be published.

    It maps nothing; to what is no code of ours; what may be a comment; it ends an entry before it begins; or it gives
    one code two meanings on one day: such a mark would count twice.
    """
    if not entries:
        raise ValueError("the map maps no code at all")
    for entry in entries:
        if malformed(entry.raw_code):
            # The code itself is not said: it may be a comment about a pupil.
            raise ValueError(f"a raw code has at most {MAX_CODE_LENGTH} characters, and no control characters")
        if entry.canonical_code not in BY_CODE:
            raise ValueError(f"{entry.raw_code!r}: {entry.canonical_code!r} is no national code")
        if entry.valid_from and entry.valid_to and entry.valid_to < entry.valid_from:
            raise ValueError(f"{entry.raw_code!r}: it ends on {entry.valid_to}, before it begins")
    for one, other in pairwise(in_order(entries)):
        if one.raw_code == other.raw_code and _first(other) <= _last(one):
            raise ValueError(
                f"{one.raw_code!r} has two meanings on {_first(other)}, {one.canonical_code} and {other.canonical_code}"
            )


def in_order(entries: Iterable[MapEntry]) -> list[MapEntry]:
    """By raw code and first day."""
    return sorted(entries, key=lambda entry: (entry.raw_code, _first(entry)))


def on(entries: Iterable[MapEntry], day: date) -> tuple[MapEntry, ...]:
    """The entries that hold on a session date."""
    return tuple(entry for entry in entries if _first(entry) <= day <= _last(entry))


def differences(before: Iterable[MapEntry], after: Iterable[MapEntry]) -> Differences:
    """What `after` says that `before` does not, and the other way round."""
    old = {(entry.raw_code, entry.valid_from): entry for entry in before}
    new = {(entry.raw_code, entry.valid_from): entry for entry in after}
    return Differences(
        tuple(in_order(entry for name, entry in new.items() if name not in old)),
        tuple(in_order(entry for name, entry in old.items() if name not in new)),
        tuple((old[(e.raw_code, e.valid_from)], e) for e in in_order(new.values()) if _changed(old, e)),
    )


def changed_spans(before: Iterable[MapEntry], after: Iterable[MapEntry]) -> list[Span]:
    """Where a raw code means something else, means something for the first time, or means nothing any more."""
    old, new = _by_code(before), _by_code(after)
    return [
        span for raw_code in sorted(old.keys() | new.keys())
        for span in _spans(raw_code, old.get(raw_code, []), new.get(raw_code, []))
    ]  # fmt: skip


def _changed(old: dict[tuple[str, date | None], MapEntry], entry: MapEntry) -> bool:
    standing = old.get((entry.raw_code, entry.valid_from))
    return standing is not None and standing != entry


def _spans(raw_code: str, before: Sequence[MapEntry], after: Sequence[MapEntry]) -> Iterator[Span]:
    """Between two dates on which an entry begins or has ended the meaning does not change."""
    begins = {OPEN_START, *map(_first, before), *map(_first, after)}
    begins |= {_last(entry) + _DAY for entry in (*before, *after) if _last(entry) < OPEN_END}
    for first, following in pairwise([*sorted(begins), OPEN_END + _DAY]):
        if _meaning(before, first) != _meaning(after, first):
            yield Span(raw_code, first, following - _DAY)


def _by_code(entries: Iterable[MapEntry]) -> dict[str, list[MapEntry]]:
    found: dict[str, list[MapEntry]] = {}
    for entry in entries:
        found.setdefault(entry.raw_code, []).append(entry)
    return found


def _meaning(entries: Iterable[MapEntry], day: date) -> str | None:
    return next((entry.canonical_code for entry in on(entries, day)), None)


def _first(entry: MapEntry) -> date:
    return entry.valid_from or OPEN_START


def _last(entry: MapEntry) -> date:
    return entry.valid_to or OPEN_END

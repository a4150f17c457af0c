"""An MIS's own rate beside ours, step by step, so that what differs is said. Pure.

Three counts of the academic year so far: what the MIS says of itself, what we hold of that MIS for the same pupils, and
what counts here, of all systems and all pupils. Between the first two are marks that did not come (or came and are gone
there); between the last two are marks of other systems that count instead, and pupils that the MIS does not summarise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from rollcall.domain.categories import CATEGORIES, CategoryRow, on
from rollcall.domain.codes import MapEntry, shown
from rollcall.domain.summaries import NOT_COMPARED, SummaryComparison

__all__ = ["CodeDifference", "MisRates", "Sessions", "mis_rates"]


@dataclass(frozen=True, slots=True)
class Sessions:
    """What a rate is made of. `unknown`: marks whose code no map knows; they are in no rate (rule 2)."""

    possible: int = 0
    attendance: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class CodeDifference:
    """A raw code of which the MIS counts another number than we hold, and for how many pupils. What may be a comment
    is withheld."""

    code: str
    theirs: int
    ours: int
    pupils: int


@dataclass(frozen=True, slots=True)
class MisRates:
    """What one MIS says beside us. `why`: why nothing can be said; empty when it answered."""

    source: str
    why: str = ""
    theirs: Sessions = field(default_factory=Sessions)
    held: Sessions = field(default_factory=Sessions)
    codes: tuple[CodeDifference, ...] = ()
    pupils: int = 0
    not_pulled_yet: int = 0
    without_summary: int = 0


def mis_rates(
    source: str, found: SummaryComparison, entries: Iterable[MapEntry], rows: Iterable[CategoryRow], day: date
) -> MisRates:
    """The rates of a comparison, by the map of the source's scheme and the categories as they are on `day`: a summary
    has no dates."""
    canonical = {
        one.raw_code: one.canonical_code
        for one in entries
        if (one.valid_from or date.min) <= day <= (one.valid_to or date.max)
    }
    categories = {code: row.category for code, row in on(rows, day).items()}
    codes = sorted({*found.theirs, *found.ours} - NOT_COMPARED)
    return MisRates(
        source=source,
        theirs=_sessions(found.theirs, canonical, categories),
        held=_sessions(found.ours, canonical, categories),
        codes=tuple(
            CodeDifference(shown(code), found.theirs[code], found.ours[code], found.differing[code])
            for code in codes
            if found.differing[code]
        ),
        pupils=found.pupils,
        not_pulled_yet=found.not_pulled_yet,
        without_summary=found.without_summary,
    )


def _sessions(marks: Mapping[str, int], canonical: Mapping[str, str], categories: Mapping[str, str]) -> Sessions:
    possible = attendance = unknown = 0
    for raw, count in marks.items():
        if raw in NOT_COMPARED:
            continue
        category = CATEGORIES.get(categories.get(canonical.get(raw, ""), ""))
        unknown += count * (category is None)
        possible += count * (category is not None and category.possible)
        attendance += count * (category is not None and category.attendance)
    return Sessions(possible, attendance, unknown)

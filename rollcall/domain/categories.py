"""What a code counts as, as a document: what makes one that may be published, and what two of them differ in.

A document says of every national code its category, from a session date on (rules 2 to 4). It is published whole. What
a category means in figures is not data: it is the arithmetic itself (rule 19).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.codes import BY_CODE, CODES, NO_MARK

__all__ = [
    "BUILT_IN",
    "CATEGORIES",
    "KEY",
    "Category",
    "CategoryRow",
    "Differences",
    "Span",
    "applies_from",
    "changed_spans",
    "check",
    "differences",
    "in_order",
    "of_record",
    "on",
]

#: The key of the one document on its topic.
KEY = "code-categories"
#: The category of no mark, and of nothing else (rule 3).
_MISSING = "missing"
#: A longer label is none. In characters.
_MAX_LABEL = 200
_DAY = timedelta(days=1)


class Category(NamedTuple):
    """What a mark of the category is in figures. `absence_type`: authorised, unauthorised or empty."""

    possible: bool
    attendance: bool
    absence_type: str = ""


#: Every category there is (the Department's column names say them), with what it is in figures.
CATEGORIES: Mapping[str, Category] = {
    "attending": Category(True, True),
    "approved_educational_activity": Category(True, True),
    "authorised_absence": Category(True, False, "authorised"),
    "unauthorised_absence": Category(True, False, "unauthorised"),
    "not_possible": Category(False, False),
    "administrative": Category(False, False),
    _MISSING: Category(False, False),
}


class CategoryRow(NamedTuple):
    """A code and its category on session dates, both inclusive, None where open.

    On dates that no row of a code covers it keeps the category before, or the first (rule 4).
    """

    code: str
    category: str
    valid_from: date | None = None
    valid_to: date | None = None
    label: str = ""


class Differences(NamedTuple):
    """What the later of two documents says otherwise. A row is known by its code and first day."""

    added: tuple[CategoryRow, ...]
    removed: tuple[CategoryRow, ...]
    #: (before, after).
    changed: tuple[tuple[CategoryRow, CategoryRow], ...]


class Span(NamedTuple):
    """Session dates, both inclusive, on which two documents put a code in different categories."""

    code: str
    first_day: date
    last_day: date
    was: str
    becomes: str


#: What holds until a document is published: rollcall/domain/codes.csv.
BUILT_IN: tuple[CategoryRow, ...] = tuple(
    CategoryRow(code.code, code.category, code.valid_from, code.valid_to, code.label) for code in CODES
)


def of_record(record: Mapping[str, Any]) -> CategoryRow:
    """The row of a record of `reference.code-category.v1`."""
    return CategoryRow(**record)


def check(rows: Sequence[CategoryRow], where: Callable[[int], str] = lambda place: f"row {place + 1}") -> None:
    """Raises ValueError, naming the row, when a document must not be published. `where` names a row by its place.

    A row of a code that is none of ours, in a category that is none, ending before it begins; two categories of a code
    on one day; a code without any; no mark as something else than missing (rule 3), or a code as missing.
    """
    if not rows:
        raise ValueError("the document has no row at all")
    for place, row in enumerate(rows):
        if complaint := _complaint(row):
            raise ValueError(f"{where(place)}: {complaint}")
    for (one_place, one), (place, row) in pairwise(sorted(enumerate(rows), key=lambda of: (of[1].code, _first(of[1])))):
        if one.code == row.code and _first(row) <= _last(one):
            raise ValueError(
                f"{where(place)}: {row.code} counts as {row.category} on {_first(row)}, and by {where(one_place)} as"
                f" {one.category}: periods of one code may not overlap"
            )
    if without := BY_CODE.keys() - {row.code for row in rows}:
        raise ValueError(
            f"no row says what {', '.join(code for code in BY_CODE if code in without)} counts as: a document is"
            " published whole, with every code that marks may have"
        )


def _complaint(row: CategoryRow) -> str:
    if row.code not in BY_CODE:
        return f"{row.code!r} is no national code"
    if row.category not in CATEGORIES:
        return f"{row.category!r} is no category; there are {', '.join(CATEGORIES)}"
    if (row.code == NO_MARK) != (row.category == _MISSING):
        return f"{row.code} as {row.category}: {NO_MARK} is no mark and always missing, and nothing else is (rule 3)"
    if row.valid_from and row.valid_to and row.valid_to < row.valid_from:
        return f"{row.code} ends on {row.valid_to}, before it begins"
    if len(row.label) > _MAX_LABEL or any(ord(sign) < 32 for sign in row.label):
        return f"a label has at most {_MAX_LABEL} characters, and no control characters"
    return ""


def in_order(rows: Iterable[CategoryRow]) -> list[CategoryRow]:
    """By code, as codes.csv has them, and first day."""
    places = {code: place for place, code in enumerate(BY_CODE)}
    return sorted(rows, key=lambda row: (places[row.code], _first(row)))


def applies_from(rows: Iterable[CategoryRow]) -> Iterator[tuple[CategoryRow, date]]:
    """Each row with the first session date that it is used for: the first of a code from ever on (rule 4)."""
    before = None
    for row in in_order(rows):
        yield row, (_first(row) if row.code == before else OPEN_START)
        before = row.code


def on(rows: Iterable[CategoryRow], day: date) -> dict[str, CategoryRow]:
    """Code -> the row that is used on a session date."""
    return {row.code: row for row, first in applies_from(rows) if first <= day}


def differences(before: Iterable[CategoryRow], after: Iterable[CategoryRow]) -> Differences:
    """What `after` says that `before` does not, and the other way round."""
    old = {(row.code, row.valid_from): row for row in before}
    new = {(row.code, row.valid_from): row for row in after}
    both = [(old[name], new[name]) for name in old.keys() & new.keys() if old[name] != new[name]]
    places = {row: place for place, row in enumerate(in_order(new.values()))}
    return Differences(
        tuple(in_order(row for name, row in new.items() if name not in old)),
        tuple(in_order(row for name, row in old.items() if name not in new)),
        tuple(sorted(both, key=lambda pair: places[pair[1]])),
    )


def changed_spans(before: Iterable[CategoryRow], after: Iterable[CategoryRow]) -> list[Span]:
    """Where a code counts as something else. Both must have every code."""
    old, new = _by_code(before), _by_code(after)
    return [span for code in BY_CODE for span in _spans(code, old[code], new[code])]


def _by_code(rows: Iterable[CategoryRow]) -> dict[str, dict[date, str]]:
    """Code -> first session date -> category."""
    found: dict[str, dict[date, str]] = {}
    for row, first in applies_from(rows):
        found.setdefault(row.code, {})[first] = row.category
    return found


def _spans(code: str, before: Mapping[date, str], after: Mapping[date, str]) -> Iterator[Span]:
    """Between two dates from which a row is used nothing changes; spans that say the same are one."""
    standing: Span | None = None
    for first, following in pairwise([*sorted(before.keys() | after.keys()), OPEN_END + _DAY]):
        was, becomes = (of[max(day for day in of if day <= first)] for of in (before, after))
        span = Span(code, first, following - _DAY, was, becomes)
        if standing is not None and standing[3:] == span[3:]:
            standing = standing._replace(last_day=span.last_day)
            continue
        if standing is not None and standing.was != standing.becomes:
            yield standing
        standing = span
    if standing is not None and standing.was != standing.becomes:
        yield standing


def _first(row: CategoryRow) -> date:
    return row.valid_from or OPEN_START


def _last(row: CategoryRow) -> date:
    return row.valid_to or OPEN_END

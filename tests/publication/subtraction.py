"""What a reader with a calculator gets out of a published file although it is withheld.

Knows nothing of how things are withheld: only that a count is no less than 0, and what adds up to what. A nation is its
regions, a region its authorities, Total its phases, a week its days, the year to date its weeks (when nothing was
published before), authorised absence its reasons. Two ways are tried together: what the sums leave between (an
interval), and what they leave free (elimination, modulo a large prime).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from rollcall.domain.codes import CODES

Row = Mapping[str, str]
Place = tuple[str, ...]
_PRIME = (1 << 61) - 1
_AREA = ("geographic_level", "region_code", "old_la_code")
_LOCAL, _REGIONAL, _NATIONAL = "Local authority", "Regional", "National"


class Cell(NamedTuple):
    """A count of a row: level, region, authority, breakdown, date, phase; and its column."""

    level: str
    region: str
    authority: str
    breakdown: str
    day: str
    phase: str
    column: str


#: Sums within a row: the whole, and what adds up to it (as the Department's own file has it).
def _reasons(category: str) -> tuple[str, ...]:
    return tuple(code.dfe_column for code in CODES if code.category == category and code.dfe_column)


SUMS: dict[str, tuple[str, ...]] = {
    "reason_present": ("reason_present_am", "reason_present_pm"),
    "present_sessions": ("reason_present", "reason_l_present_late_before_registers_closed"),
    "approved_educational_activity": _reasons("approved_educational_activity"),
    "overall_attendance": ("present_sessions", "approved_educational_activity"),
    "authorised_absence": _reasons("authorised_absence"),
    "unauthorised_absence": _reasons("unauthorised_absence"),
    "overall_absence": ("authorised_absence", "unauthorised_absence"),
    "possible_sessions": ("overall_attendance", "overall_absence"),
}


def recovered(rows: Sequence[Row], columns: Collection[str], withheld: str = "NA") -> dict[Cell, int]:
    """Withheld counts of these columns that the rest of the file determines, where more than 0: with their values."""
    known = {_cell(row, column): row[column] for row in rows for column in columns if column in row}
    sums = [one for one in _sums(rows, columns) if all(cell in known for cell in one)]
    values = {cell: int(text) for cell, text in known.items() if text != withheld}
    equations = []
    for whole, *parts in sums:
        unknown = [
            (cell, factor) for cell, factor in ((whole, -1), *((part, 1) for part in parts)) if cell not in values
        ]
        if unknown:
            rest = values.get(whole, 0) - sum(values.get(part, 0) for part in parts)
            equations.append((dict(unknown), rest))
    found = {**_between(equations), **_free(equations)}
    return {cell: value for cell, value in found.items() if value > 0}


def _cell(row: Row, column: str) -> Cell:
    return Cell(*(row[name] for name in (*_AREA, "breakdown", "attendance_date", "school_type")), column)


def _sums(rows: Sequence[Row], columns: Collection[str]) -> Iterable[tuple[Cell, ...]]:
    """(whole, part, part, ...) of everything that adds up in a file."""
    above: dict[Cell, list[Cell]] = defaultdict(list)
    phases: dict[Cell, list[Cell]] = defaultdict(list)
    weeks: dict[Cell, list[Cell]] = defaultdict(list)
    year = [row["attendance_date"] for row in rows if row["breakdown"] == "YTD"]
    for row in rows:
        for column in columns:
            cell = _cell(row, column)
            if cell.level == _LOCAL:
                above[cell._replace(level=_REGIONAL, authority="")].append(cell)
            if cell.level == _REGIONAL:
                above[cell._replace(level=_NATIONAL, region="")].append(cell)
            if cell.phase != "Total":
                phases[cell._replace(phase="Total")].append(cell)
            if cell.breakdown == "Daily":
                weeks[cell._replace(breakdown="Weekly", day=row["week_commencing"])].append(cell)
            if cell.breakdown == "Weekly" and year:
                weeks[cell._replace(breakdown="YTD", day=year[0])].append(cell)
        for whole, parts in SUMS.items():
            if whole in columns and all(part in columns for part in parts if part in row):
                yield _cell(row, whole), *(_cell(row, part) for part in parts if part in row)
    for sums in (above, phases, weeks):
        for whole_cell, cells in sums.items():
            yield whole_cell, *cells


_Equations = Sequence[tuple[Mapping[Cell, int], int]]


def _between(equations: _Equations) -> dict[Cell, int]:
    """Cells whose least and greatest value are one, when counts are no less than 0."""
    of: dict[Cell, list[int]] = defaultdict(list)
    for number, (terms, _) in enumerate(equations):
        for cell in terms:
            of[cell].append(number)
    least: dict[Cell, float] = dict.fromkeys(of, 0)
    greatest: dict[Cell, float] = dict.fromkeys(of, float("inf"))
    waiting, rounds = deque(range(len(equations))), 0
    while waiting and rounds < 200 * len(equations):
        rounds += 1
        terms, rest = equations[waiting.popleft()]
        for cell, factor in terms.items():
            # factor * cell = rest - the others
            low, high = rest, rest
            for other, sign in terms.items():
                if other != cell:
                    low -= greatest[other] if sign > 0 else -least[other]
                    high -= least[other] if sign > 0 else -greatest[other]
            if factor < 0:
                low, high = -high, -low
            if low > least[cell] or high < greatest[cell]:
                least[cell], greatest[cell] = max(low, least[cell]), min(high, greatest[cell])
                waiting.extend(of[cell])
    return {cell: int(low) for cell, low in least.items() if low == greatest[cell]}


def _free(equations: _Equations) -> dict[Cell, int]:
    """Cells that elimination leaves no choice for, whatever the others are."""
    pivots: dict[Cell, tuple[dict[Cell, int], int]] = {}
    for terms, rest in equations:
        row, value = dict(terms), rest
        while hit := next((cell for cell in row if cell in pivots), None):
            row, value = _less(row, value, row[hit], *pivots[hit])
        if not row:
            continue
        pivot = next(iter(row))
        inverse = pow(row[pivot], -1, _PRIME)
        row, value = {cell: factor * inverse % _PRIME for cell, factor in row.items()}, value * inverse % _PRIME
        for cell, (other, number) in pivots.items():
            if pivot in other:
                pivots[cell] = _less(other, number, other[pivot], row, value)
        pivots[pivot] = (row, value)
    return {cell: _signed(value) for cell, (row, value) in pivots.items() if len(row) == 1}


def _less(
    row: Mapping[Cell, int], value: int, factor: int, other: Mapping[Cell, int], number: int
) -> tuple[dict[Cell, int], int]:  # fmt: skip
    left = dict(row)
    for cell, one in other.items():
        left[cell] = (left.get(cell, 0) - factor * one) % _PRIME
        if not left[cell]:
            del left[cell]
    return left, (value - factor * number) % _PRIME


def _signed(value: int) -> int:
    return value if value < _PRIME // 2 else value - _PRIME

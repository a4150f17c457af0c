"""Are two files of attendance statistics the same, cell by cell?

Rows are known by breakdown, level, region, authority, date and phase, whatever their order and the files' other habits;
in a file without breakdowns or dates, by what it has of these and its time period.
Counts are equal as integers; means over days within a millionth; percentages within half a unit of their last decimal;
text as text. What is withheld must be withheld in both.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

from rollcall.errors import UsageError

__all__ = ["Comparison", "Difference", "as_written", "compare", "read"]

Row = Mapping[str, str]
_KEY = ("breakdown", "geographic_level", "region_code", "new_la_code", "attendance_date", "school_type")
_NEEDED = ("geographic_level", "region_code", "new_la_code", "school_type")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?(e-[0-9]+)?")
#: Passed through from elsewhere (how many schools there are): equal or not, it proves nothing about marks.
_NOT_COMPARED = frozenset({"total_num_schools", "total_enrolments"})
_MEANS = frozenset({"num_schools", "enrolments"})
_WITHHELD = frozenset({"NA", "c"})


class Difference(NamedTuple):
    """One cell, or (column empty) a row that only one of the files has."""

    row: tuple[str, ...]
    column: str
    theirs: str
    ours: str


@dataclass
class Comparison:
    """How many rows and numeric cells were compared, and what differs."""

    rows: int = 0
    cells: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether everything is the same, and there was something to compare."""
        return bool(self.cells) and not self.differences


def read(file: Path, needed: Collection[str] = _NEEDED) -> list[Row]:
    """The rows of a file. Raises UsageError when it cannot be read or lacks a column that is `needed`."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows: list[Row] = list(csv.DictReader(text))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    if not rows or (missing := [name for name in needed if name not in rows[0]]):
        lacking = ", ".join(missing) if rows else "rows"
        raise UsageError(f"{file} is no published file of attendance: it lacks {lacking}")
    return rows


def compare(
    theirs: Iterable[Row], ours: Iterable[Row], *, las: Collection[str] = (), breakdowns: Collection[str] = (),
    dates: Collection[str] = (),
) -> Comparison:  # fmt: skip
    """Compare rows of some authorities (three-digit codes), breakdowns and dates (as written), of all when empty."""

    def wanted(row: Row) -> bool:
        return (
            (not las or row.get("old_la_code", "") in las)
            and (not breakdowns or row.get("breakdown") in breakdowns)
            and (not dates or row.get("attendance_date") in dates)
        )

    left = {_key(row): row for row in theirs if wanted(row)}
    right = {_key(row): row for row in ours if wanted(row)}
    found = Comparison()
    for key in sorted(left.keys() | right.keys()):
        if key not in left or key not in right:
            found.differences.append(Difference(key, "", str(key in left), str(key in right)))
            continue
        found.rows += 1
        for column, value in left[key].items():
            if column in _NOT_COMPARED:
                continue
            other = right[key].get(column, "")
            found.cells += _is_number(value)
            if not _same(column, value, other):
                found.differences.append(Difference(key, column, value, other))
    return found


def as_written(days: Iterable[date]) -> list[str]:
    """Dates in the ways in which these files write them, for `compare`."""
    return [written for day in days for written in (f"{day:%d/%m/%Y}", day.isoformat())]


def _key(row: Row) -> tuple[str, ...]:
    when = row.get("attendance_date") or f"{row.get('time_period', '')} {row.get('time_identifier', '')}"
    return tuple(when if name == "attendance_date" else row.get(name, "") for name in _KEY)


def _is_number(value: str) -> bool:
    """What the files have for a number: very small ones as R writes them, `5.29e-05`."""
    return _NUMBER.fullmatch(value) is not None


def _same(column: str, theirs: str, ours: str) -> bool:
    if theirs == ours:
        return True
    if theirs in _WITHHELD or ours in _WITHHELD or not (_is_number(theirs) and _is_number(ours)):
        return False
    if column.endswith("_perc"):
        return abs(float(theirs) - float(ours)) <= 5.01e-9
    return column in _MEANS and abs(float(theirs) - float(ours)) <= 1e-6

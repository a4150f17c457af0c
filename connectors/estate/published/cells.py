"""A published file of attendance, read cell by cell: one local authority and phase, day by day.

Source: "Pupil attendance in schools", Department for Education, Open Government Licence; the column names are
rollcall/domain/codes.csv's. Cells of authorities with one school are suppressed in the file; they are found again by
subtraction, because the totals above them are not suppressed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from rollcall.domain import published_files
from rollcall.domain.codes import CODES
from rollcall.errors import UsageError

__all__ = ["PHASES", "Cell", "Day", "read"]

PHASES = ("Primary", "Secondary", "Special")
_SUPPRESSED = frozenset({"NA", "c", ""})
_NEEDED = (
    "geographic_level", "breakdown", "attendance_date", "old_la_code", "num_schools", "enrolments", "reason_present_am",
)  # fmt: skip
#: Counts that are found again by subtraction, beside the codes'.
_SUMS = ("enrolments",)

_Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a cell: schools that reported, pupils counted on their rolls, marks by canonical code."""

    day: date
    schools: int
    enrolments: int
    marks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """A local authority and phase. `pupils` and `persistent` (rule 19) are of all days together, None when not told."""

    la_code: str
    la_name: str
    region_code: str
    region_name: str
    phase: str
    days: Sequence[Day]
    pupils: int | None
    persistent: int | None


def read(file: Path, days: Collection[date] = (), las: Collection[str] = ()) -> list[Cell]:
    """The cells of the days (all when empty) and of the authorities by their three-digit codes (all when empty).

    Raises UsageError when the file is none of these files, or a cell is suppressed beyond finding.
    """
    rows = published_files.read(file, _NEEDED)
    columns = {code.dfe_column: code.code for code in CODES if code.dfe_column in rows[0]}
    daily = [row for row in rows if row["breakdown"] == "Daily" and (not days or _day(row) in days)]
    if not daily:
        raise UsageError(f"{file} has no Daily row of the days asked for")
    known = _Known(daily, [*columns, *_SUMS])
    whole = {_place(row): row for row in rows if row["breakdown"] == "YTD"} if not days else {}
    cells: dict[tuple[str, str], list[_Row]] = {}
    for row in daily:
        wanted = row["geographic_level"] == "Local authority" and (not las or row["old_la_code"] in las)
        if wanted and _phase(row) in PHASES:
            cells.setdefault((row["old_la_code"], _phase(row)), []).append(row)
    if not cells:
        raise UsageError(f"{file} has no rows of local authority {', '.join(sorted(las))}")
    return [_cell(known, columns, of_it, whole) for of_it in cells.values()]


def _cell(
    known: _Known, columns: Mapping[str, str], rows: list[_Row], whole: Mapping[tuple[str, str, str], _Row]
) -> Cell:
    first = rows[0]
    ytd = whole.get(_place(first), {})
    return Cell(
        first["old_la_code"], first["la_name"], first["region_code"], first["region_name"], _phase(first),
        [
            Day(
                _day(row), int(row["num_schools"]), known.of(row, "enrolments"),
                {code: number for name, code in columns.items() if (number := known.of(row, name))},
            )
            for row in sorted(rows, key=_day)
        ],
        _number(ytd.get("ytd_enrolments", "")), _number(ytd.get("pa_flag", "")),
    )  # fmt: skip


class _Known:
    """Counts of daily rows, suppressed ones by subtraction: the authority's Total less its other phases, else the
    region's phase less its other authorities."""

    def __init__(self, rows: Iterable[_Row], names: Sequence[str]) -> None:
        self._rows = list(rows)
        self._names = names
        self._found: dict[tuple[int, str], int] = {}
        self._ids = {id(row): number for number, row in enumerate(self._rows)}

    def of(self, row: _Row, name: str) -> int:
        """The count. Raises UsageError when it is suppressed and cannot be found again."""
        said = _number(row[name])
        if said is not None:
            return said
        place = (self._ids[id(row)], name)
        if place not in self._found:
            found = self._less(row, name, _same_authority, "Total", by_phase=True)
            if found is None:
                found = self._less(row, name, _same_region, "Regional", by_phase=False)
            if found is None or found < 0:
                raise UsageError(f"{name} of {row['la_name']}, {_phase(row)}, {_day(row)} is suppressed beyond finding")
            self._found[place] = found
        return self._found[place]

    def _less(self, row: _Row, name: str, alike: object, above: str, *, by_phase: bool) -> int | None:
        """`above` less the others of it; None when one of them is suppressed too."""
        total: int | None = None
        others = 0
        for one in self._rows:
            if one is row or not alike(one, row):  # type: ignore[operator]
                continue
            number = _number(one[name])
            is_above = _phase(one) == above if by_phase else one["geographic_level"] == above
            if number is None:
                return None
            if is_above:
                total = number
            else:
                others += number
        return None if total is None else total - others


def _same_authority(one: _Row, row: _Row) -> bool:
    return one["old_la_code"] == row["old_la_code"] and one["attendance_date"] == row["attendance_date"]


def _same_region(one: _Row, row: _Row) -> bool:
    return (
        one["region_code"] == row["region_code"]
        and _phase(one) == _phase(row)
        and one["attendance_date"] == row["attendance_date"]
    )


def _phase(row: _Row) -> str:
    return row.get("school_type") or row.get("education_phase", "")


def _place(row: _Row) -> tuple[str, str, str]:
    return row["geographic_level"], row["old_la_code"], _phase(row)


def _day(row: _Row) -> date:
    text = row["attendance_date"]
    form = "%d/%m/%Y" if "/" in text else "%Y-%m-%d"
    return datetime.strptime(text, form).date()  # noqa: DTZ007 - a date, not an instant


def _number(text: str) -> int | None:
    return None if text in _SUPPRESSED else round(float(text))

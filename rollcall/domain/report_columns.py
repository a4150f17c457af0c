"""The columns of our reports, and of the published files, by name: which marks each counts. For explaining a cell.

A column of a report counts by what a code means on the session date (the views' categories). A column of a published
file counts by code: `reason_*` one code, the sums those of a category. sinks/publishing.py counts by these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rollcall.domain.codes import BY_CODE, CODES
from rollcall.errors import UsageError

__all__ = ["COLUMNS", "Column", "Measure", "column", "of_code"]

#: What is counted of a mark, by its category on the session date; `marks`: every mark.
Measure = Literal["marks", "possible", "attendance", "absence", "authorised", "unauthorised", "late", "unknown"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the measure, of marks with one of `codes` (all when empty). `published`: of a published file."""

    name: str
    measure: Measure
    codes: tuple[str, ...] = ()
    published: bool = False


def _of_categories(*categories: str) -> tuple[str, ...]:
    return tuple(code.code for code in CODES if code.category in categories)


_ATTENDING, _ACTIVITY = _of_categories("attending"), _of_categories("approved_educational_activity")
_AUTHORISED, _UNAUTHORISED = _of_categories("authorised_absence"), _of_categories("unauthorised_absence")
_SUMS: dict[str, tuple[str, ...]] = {
    "reason_present": ("/", "\\"),
    "present_sessions": _ATTENDING,
    "approved_educational_activity": _ACTIVITY,
    "overall_attendance": _ATTENDING + _ACTIVITY,
    "authorised_absence": _AUTHORISED,
    "unauthorised_absence": _UNAUTHORISED,
    "overall_absence": _AUTHORISED + _UNAUTHORISED,
    "possible_sessions": _ATTENDING + _ACTIVITY + _AUTHORISED + _UNAUTHORISED,
    "late_sessions": ("L", "U"),
}
_MEASURES: tuple[Measure, ...] = (
    "marks", "possible", "attendance", "absence", "authorised", "unauthorised", "late", "unknown",
)  # fmt: skip

#: Every column, by name.
COLUMNS: dict[str, Column] = {
    **{name: Column(name, name) for name in _MEASURES},
    **{code.dfe_column: Column(code.dfe_column, "marks", (code.code,), True) for code in CODES if code.dfe_column},
    **{name: Column(name, "marks", codes, True) for name, codes in _SUMS.items()},
}


def column(name: str) -> Column:
    """The column of this name. Raises UsageError when there is none."""
    if name not in COLUMNS:
        raise UsageError(
            f"no column {name} that counts marks; of reports there are {', '.join(_MEASURES)}, of published files"
            f" {', '.join(_SUMS)} and reason_*"
        )
    return COLUMNS[name]


def of_code(code: str) -> Column:
    """Marks with one canonical code; 'unmapped' are those that no map knows. Raises UsageError for no code of ours."""
    if code == "unmapped":
        return Column("unmapped", "marks", ("",))
    if code not in BY_CODE:
        raise UsageError(f"no code {code}; codes are the national ones, or unmapped")
    return Column(f"code {code}", "marks", (code,))

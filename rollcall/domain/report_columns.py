"""The columns of our reports, and of the published files, by name: which marks each counts. For explaining a cell.

A column of a report counts by what a code means on the session date (the views' categories). So do the sums of a
published file, by the categories themselves; its `reason_*` count one code. sinks/publishing.py counts by these.
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
    """A column: the measure, of marks with one of `codes`, in one of `categories` (all when empty).

    `published`: of a published file.
    """

    name: str
    measure: Measure
    codes: tuple[str, ...] = ()
    published: bool = False
    categories: tuple[str, ...] = ()


_ATTENDANCE = ("attending", "approved_educational_activity")
_ABSENCE = ("authorised_absence", "unauthorised_absence")
#: Sums of a published file: by code, and by category.
_OF_CODES: dict[str, tuple[str, ...]] = {"reason_present": ("/", "\\"), "late_sessions": ("L", "U")}
_OF_CATEGORIES: dict[str, tuple[str, ...]] = {
    "present_sessions": ("attending",),
    "approved_educational_activity": ("approved_educational_activity",),
    "overall_attendance": _ATTENDANCE,
    "authorised_absence": ("authorised_absence",),
    "unauthorised_absence": ("unauthorised_absence",),
    "overall_absence": _ABSENCE,
    "possible_sessions": (*_ATTENDANCE, *_ABSENCE),
}
_MEASURES: tuple[Measure, ...] = (
    "marks", "possible", "attendance", "absence", "authorised", "unauthorised", "late", "unknown",
)  # fmt: skip

#: Every column, by name.
COLUMNS: dict[str, Column] = {
    **{name: Column(name, name) for name in _MEASURES},
    **{code.dfe_column: Column(code.dfe_column, "marks", (code.code,), True) for code in CODES if code.dfe_column},
    **{name: Column(name, "marks", codes, True) for name, codes in _OF_CODES.items()},
    **{name: Column(name, "marks", (), True, categories) for name, categories in _OF_CATEGORIES.items()},
}


def column(name: str) -> Column:
    """The column of this name. Raises UsageError when there is none."""
    if name not in COLUMNS:
        raise UsageError(
            f"no column {name} that counts marks; of reports there are {', '.join(_MEASURES)}, of published files"
            f" {', '.join((*_OF_CODES, *_OF_CATEGORIES))} and reason_*"
        )
    return COLUMNS[name]


def of_code(code: str) -> Column:
    """Marks with one canonical code; 'unmapped' are those that no map knows. Raises UsageError for no code of ours."""
    if code == "unmapped":
        return Column("unmapped", "marks", ("",))
    if code not in BY_CODE:
        raise UsageError(f"no code {code}; codes are the national ones, or unmapped")
    return Column(f"code {code}", "marks", (code,))

"""Local authorities and days as publications know them: the codes rows are published under, dates left out of series.

`local_authorities.csv`: the Department's three-digit code of each authority with schools, and the code the Office for
National Statistics gives it (Department for Education, "Pupil attendance in schools", 2025; Open Government Licence).
`excluded_dates.csv`: dates left out of attendance statistics (rule 21), from the same publication's dashboard. A line
says which rows leave them out. level `national`: all; `regional`: those of the regions named and of their authorities;
`local`: those of the authorities named by three-digit code. breakdown: Daily, Weekly, YTD, several with spaces; all
when empty. A row above (the nation's, or with `local` the region's) keeps the day, with all that was counted on it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources

__all__ = ["EXCLUDED", "ONS_CODES", "Excluded", "excluded_days", "excluded_places"]


@dataclass(frozen=True, slots=True)
class Excluded:
    """Days, both inclusive, that do not count in the rows of a level, areas and breakdowns (all when empty)."""

    first_day: date
    last_day: date
    level: str
    areas: frozenset[str]
    breakdowns: frozenset[str]
    reason: str

    def concerns(self, region_code: str, la_code: str, breakdown: str) -> bool:
        """Whether it is about the rows of a breakdown (any when empty) of a region or one of its authorities."""
        named = {"national": True, "regional": region_code in self.areas, "local": la_code in self.areas}[self.level]
        return named and (not self.breakdowns or not breakdown or breakdown in self.breakdowns)

    def days(self, first: date, last: date) -> set[date]:
        """Its days from `first` to `last`."""
        all_days = (self.first_day + timedelta(days=n) for n in range((self.last_day - self.first_day).days + 1))
        return {day for day in all_days if first <= day <= last}


def _read(name: str) -> list[dict[str, str]]:
    text = (resources.files("rollcall.domain") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


#: Three-digit code -> E06, E08, E09 or E10 code.
ONS_CODES: dict[str, str] = {row["la_code"]: row["ons_code"] for row in _read("local_authorities.csv")}

EXCLUDED: tuple[Excluded, ...] = tuple(
    Excluded(
        date.fromisoformat(row["first_day"]), date.fromisoformat(row["last_day"]), row["level"],
        frozenset(row["area"].split()), frozenset(row["breakdown"].split()), row["reason"],
    )
    for row in _read("excluded_dates.csv")
)  # fmt: skip


def excluded_days(
    first: date, last: date, region_code: str = "", la_code: str = "", breakdown: str = ""
) -> set[date]:  # fmt: skip
    """Days from `first` to `last` that do not count in a place's rows of a breakdown (any when empty).

    The nation has neither code, a region the one, an authority both.
    """
    return {day for one in EXCLUDED if one.concerns(region_code, la_code, breakdown) for day in one.days(first, last)}


def excluded_places(first: date, last: date, breakdown: str = "") -> set[tuple[str, date]]:
    """(code of a region or authority, day) of the days that count in no row of that place, the nation's aside."""
    return {
        (area, day)
        for one in EXCLUDED
        for area in one.areas
        if one.concerns(area, area, breakdown)
        for day in one.days(first, last)
    }

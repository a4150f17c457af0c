"""Local authorities and days as publications know them: the codes rows are published under, dates left out of series.

`local_authorities.csv`: the Department's three-digit code of each authority with schools, and the code the Office for
National Statistics gives it (Department for Education, "Pupil attendance in schools", 2025; Open Government Licence).
`excluded_dates.csv`: dates left out of attendance statistics (rule 21), from the same publication's dashboard.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources

__all__ = ["EXCLUDED", "ONS_CODES", "Excluded", "excluded_days"]


@dataclass(frozen=True, slots=True)
class Excluded:
    """Days, both inclusive, that do not count: everywhere, or (level regional) in the regions named."""

    first_day: date
    last_day: date
    level: str
    areas: frozenset[str]
    reason: str


def _read(name: str) -> list[dict[str, str]]:
    text = (resources.files("rollcall.domain") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


#: Three-digit code -> E06, E08, E09 or E10 code.
ONS_CODES: dict[str, str] = {row["la_code"]: row["ons_code"] for row in _read("local_authorities.csv")}

EXCLUDED: tuple[Excluded, ...] = tuple(
    Excluded(
        date.fromisoformat(row["first_day"]), date.fromisoformat(row["last_day"]), row["level"],
        frozenset(row["area"].split()), row["reason"],
    )
    for row in _read("excluded_dates.csv")
)  # fmt: skip


def excluded_days(first: date, last: date, region_code: str = "") -> set[date]:
    """Days from `first` to `last` that do not count everywhere, and those that do not count in the region."""
    return {
        one.first_day + timedelta(days=number)
        for one in EXCLUDED
        if one.level == "national" or region_code in one.areas
        for number in range((one.last_day - one.first_day).days + 1)
        if first <= one.first_day + timedelta(days=number) <= last
    }

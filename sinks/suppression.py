"""What of a published file is withheld (rule 23): `dfe`, as the Department does it, and `safe`, against subtraction.

`dfe` withholds the numbers of authorities with one school, and nothing else: what stands above and beside gives them
back. `safe` withholds more, so that for everything it protects another file could stand behind the same published
numbers, which is why no arithmetic can tell:

1. An authority that has one school in any row is withheld whole: every phase, day, week and the year to date. So is a
   partner of its region that has a row wherever it has one; where the region has none, one of another region, and both
   regions; where the nation has none, the nation. (Had the pupils been at the partner's, the file would be the same.)
2. A sensitive code (`rollcall/domain/sensitive_codes.csv`) that is small anywhere at a level is withheld at that whole
   level and below, with a code that makes its sum with it; and a level further up when nobody there has a mark to
   swap. (Had one authority one T less and one C more, and another the opposite, the file would be the same.) Which
   sums it is in, the categories say, on every date that the file is made of: in each sum it needs such a code.

It works on the rows of one file. Two files, of different editions or with `dfe` beside `safe`, are subtracted from each
other by whoever has both.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import NamedTuple

from rollcall.domain.categories import CATEGORIES
from rollcall.domain.codes import BY_CODE
from rollcall.domain.layouts import Layout
from rollcall.errors import UsageError

__all__ = ["LEVELS", "SENSITIVE", "SUPPRESSIONS", "withhold"]

SUPPRESSIONS = ("dfe", "safe", "none")
#: Upwards.
LEVELS = ("Local authority", "Regional", "National")
LOCAL, REGIONAL, NATIONAL = LEVELS

Row = dict[str, str]
#: Level, region, authority; and breakdown, date, phase.
_Area = tuple[str, str, str]
_Key = tuple[str, str, str]
_NATION: _Area = (NATIONAL, "", "")
#: Columns that say where and when, and how many schools: they stay. Everything else is a number.
_FACTS = frozenset(
    {
        "time_period", "time_identifier", "geographic_level", "country_code", "country_name", "region_code",
        "region_name", "new_la_code", "la_name", "old_la_code", "attendance_date", "day_number", "school_type",
        "week_commencing", "academic_year", "breakdown", "num_schools", "total_num_schools",
    }
)  # fmt: skip


class _Sensitive(NamedTuple):
    """Codes of which 1 to `at_most` marks are small. `with_codes`: withheld with them, none where no sum would tell."""

    codes: Mapping[str, int]
    with_codes: tuple[str, ...]

    def columns(self, layout: Layout) -> frozenset[str]:
        """Counts that are withheld together, and their percentages."""
        counts = {_column(code) for code in (*self.codes, *self.with_codes)}
        return frozenset(counts | {name for name, of in layout.percentages.items() if of in counts})


def _read() -> list[dict[str, str]]:
    text = (resources.files("rollcall.domain") / "sensitive_codes.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _column(code: str) -> str:
    return BY_CODE[code].dfe_column


#: Sensitive codes, and how many marks of each are small.
SENSITIVE: dict[str, int] = {row["code"]: int(row["at_most"]) for row in _read()}
#: The code that is withheld with a sensitive one, where both count as the same.
_WITH_CODE = {row["code"]: row["with_code"] for row in _read()}


def withhold(
    rows: Sequence[Row], layout: Layout, how: str, categories: Mapping[str, Collection[str]]
) -> list[Row]:  # fmt: skip
    """The rows of one file, complete in its authorities, without what is withheld. `how`: of SUPPRESSIONS.

    `categories`: of every code those that it has on some date of which the file is made; only `safe` asks. Raises
    UsageError where a sensitive code is the only one of its category.
    """
    if how == "none":
        return list(rows)
    if how == "dfe":
        return [_without(row, layout, _numbers(row, layout)) if _has_one_school(row) else row for row in rows]
    whole = _Whole(rows).areas
    # A region that is withheld as somebody's partner can still be had on days when it is nobody's.
    kept = [row for row in rows if row["geographic_level"] != LOCAL or _area(row) not in whole]
    columns = {level: frozenset[str]() for level in LEVELS}
    for group in _sensitive(kept, categories):
        for level in _levels(group, kept):
            columns[level] |= group.columns(layout)
    return [
        _without(row, layout, _numbers(row, layout) if _area(row) in whole else columns[row["geographic_level"]])
        for row in rows
    ]


def _sensitive(rows: Sequence[Row], categories: Mapping[str, Collection[str]]) -> Iterator[_Sensitive]:
    """The sensitive codes; those with the same partners are one group."""
    groups: dict[tuple[tuple[str, ...], str], dict[str, int]] = defaultdict(dict)
    for code, at_most in SENSITIVE.items():
        summed = sorted(one for one in categories[code] if CATEGORIES[one].possible)
        partners = tuple(_partner(code, category, rows, categories) for category in summed)
        groups[partners, "" if partners else code][code] = at_most
    return (_Sensitive(codes, partners) for (partners, _), codes in groups.items())


def _partner(code: str, category: str, rows: Sequence[Row], categories: Mapping[str, Collection[str]]) -> str:
    """The code to withhold with a sensitive one in the sum of a category: its own, else that with the most marks."""
    alike = [
        one for one, of_it in categories.items()
        if one not in SENSITIVE and {*of_it} == {category} and all(_column(one) in row for row in rows)
    ]  # fmt: skip
    if _WITH_CODE[code] in alike:
        return _WITH_CODE[code]
    if not alike:
        raise UsageError(
            f"--suppression safe: no other code counts as {category.replace('_', ' ')} on every date that the file is"
            f" made of, so that few marks with {code} could not be hidden among others"
        )
    return max(alike, key=lambda one: (sum(_count(row, one) for row in rows), one))


def _without(row: Row, layout: Layout, columns: Iterable[str]) -> Row:
    return {**row, **{name: layout.suppressed for name in columns if name in row}}


def _numbers(row: Row, layout: Layout) -> list[str]:
    return [name for name in row if name not in _FACTS or name in layout.withheld_too]


def _has_one_school(row: Row) -> bool:
    return row["geographic_level"] == LOCAL and row["num_schools"] == "1"


def _area(row: Row) -> _Area:
    return row["geographic_level"], row["region_code"], row["old_la_code"]


def _key(row: Row) -> _Key:
    return row["breakdown"], row["attendance_date"], row["school_type"]


class _Whole:
    """Areas that are withheld whole, until none of them is alone with what stands above it."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._possible: dict[_Area, dict[_Key, int]] = defaultdict(dict)
        for row in rows:
            self._possible[_area(row)][_key(row)] = int(row["possible_sessions"])
        self._authorities = [area for area in self._possible if area[0] == LOCAL]
        self._regions = [area for area in self._possible if area[0] == REGIONAL]
        self.areas: set[_Area] = {_area(row) for row in rows if _has_one_school(row)}
        while any(self._join(region) for region in self._regions) or self._join_nation():
            pass

    def _hidden(self, key: _Key, region: _Area) -> list[_Area]:
        """Authorities of a region that are withheld and have such a row."""
        return [one for one in self._authorities if one in self.areas and one[1] == region[1] and self._has(one, key)]

    def _has(self, area: _Area, key: _Key) -> bool:
        return key in self._possible[area]

    def _join(self, region: _Area) -> bool:
        """Give an authority that is alone in its region a partner, else withhold the region; whether it had to."""
        if region in self.areas:
            return False
        for key in self._possible[region]:
            if len(self._hidden(key, region)) == 1:
                self.areas.add(self._smallest(key, [region]) or region)
                return True
        return False

    def _join_nation(self) -> bool:
        """The same for one that is alone in the nation."""
        if _NATION in self.areas:
            return False
        for key in self._possible.get(_NATION, ()):
            hidden = [one for region in self._regions if region in self.areas for one in self._hidden(key, region)]
            if len(hidden) == 1:
                others = [one for one in self._regions if one[1] != hidden[0][1] and self._has(one, key)]
                partner = self._smallest(key, others)
                self.areas |= {_NATION} if partner is None else {partner, (REGIONAL, partner[1], "")}
                return True
        return False

    def _smallest(self, key: _Key, regions: Sequence[_Area]) -> _Area | None:
        """Of authorities that are not withheld and have such a row the one with the fewest possible sessions in all."""
        codes = {region[1] for region in regions}
        free = [one for one in self._authorities if one not in self.areas and one[1] in codes and self._has(one, key)]
        return min(free, key=lambda one: (sum(self._possible[one].values()), one), default=None)


def _levels(group: _Sensitive, rows: Sequence[Row]) -> Iterator[str]:
    """Levels at which the group is withheld: from the authorities up to the highest that would tell."""
    small = [row for row in rows if any(0 < _count(row, code) <= most for code, most in group.codes.items())]
    highest = -1
    for place, level in enumerate(LEVELS):
        here = any(row["geographic_level"] == level for row in small)
        below = [row for row in small if row["geographic_level"] in LEVELS[:place]]
        if here or not all(_can_swap(row, level, group, rows) for row in below):
            highest = place
    yield from LEVELS[: highest + 1]


def _can_swap(row: Row, published: str, group: _Sensitive, rows: Sequence[Row]) -> bool:
    """Whether another area of its level could have had the mark instead, and the row of a level above be the same."""
    return any(
        _area(one) != _area(row)
        and one["geographic_level"] == row["geographic_level"]
        and (published != REGIONAL or one["region_code"] == row["region_code"])
        and _key(one) == _key(row)
        and all(_count(one, code) > 0 for code in group.with_codes)
        for one in rows
    )


def _count(row: Row, code: str) -> int:
    return int(row[_column(code)])

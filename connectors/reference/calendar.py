"""Calendars from a file: terms, closures and week cycles, of a school, or of an LA or trust for all its schools.

Columns: level (school, la or trust), code (URN, LA code or trust uid), kind (term, closure or weeks), name, first_day,
last_day; and academic_year, where a term or INSET day before September belongs to the year that begins. `name` is the
term's name, the closure's reason, or the names of the weeks in turn ("A;B", from the week of first_day on).

The most specific level that states terms for a year states the year: school before trust before LA. Closures are those
of that level and of the more specific ones, so a school may add its INSET days to its LA's year. Week cycles are those
of the most specific level that states any.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from connectors.reference.table import LINE, Table, Wrong, read
from rollcall.domain.clock import OPEN_END
from rollcall.domain.identity import academic_year, academic_year_days

__all__ = ["CLOSURES", "Calendars", "School", "calendars", "read_calendars"]

#: Why a school is closed on a day within its term.
CLOSURES = ("half_term", "inset", "bank_holiday", "planned", "unplanned")
#: Least specific first.
_LEVELS = ("la", "trust", "school")
Record = dict[str, Any]
#: Level, code, academic year -> the rows that state it.
_Stated = dict[tuple[str, str, str], list[dict[str, Any]]]


class School(NamedTuple):
    """What a calendar has to know of a school: where it belongs, and its last day (None while open)."""

    urn: int
    la_code: str
    trust_id: str | None
    closed_on: date | None


class Calendars(NamedTuple):
    """(URN, academic year) -> record of reference.calendar.v1; and the schools with a wrong row, which are withheld."""

    records: dict[tuple[int, str], Record]
    withheld: set[int]


def read_calendars(file: Path) -> Table:
    """The rows of a calendar file, CSV or JSON, with `academic_year` given to each. Dates are dates.

    Taken out: an unknown level, kind or reason, a code that is empty or no URN, a day that is none, a last day before
    the first, a year that is none. Raises UsageError when it is no such file.
    """
    columns = ("level", "code", "kind", "name", "first_day", "last_day")
    table = read(file, columns, {"academic_year": ""}, encoding="utf-8", keys=("level", "code"))
    table.refuse(~pl.col("level").is_in(_LEVELS), "level", f"{{!r}} is none of {', '.join(_LEVELS)}")
    table.need("code", "name", "first_day")
    table.refuse(
        (pl.col("level") == "school") & ~pl.col("code").str.contains("^[1-9][0-9]{0,8}$"), "code", "{!r} is no URN"
    )
    table.refuse(~pl.col("kind").is_in(["term", "closure", "weeks"]), "kind", "{!r} is none of term, closure, weeks")
    table.refuse(
        (pl.col("kind") == "closure") & ~pl.col("name").is_in(CLOSURES),
        "name",
        f"{{!r}} is none of {', '.join(CLOSURES)}",
    )
    table.refuse((pl.col("kind") != "weeks") & (pl.col("last_day") == ""), "last_day", "is empty")
    table.dates("first_day", "last_day")
    table.refuse(pl.col("last_day") < pl.col("first_day"), "last_day", "{} is before first_day")
    years = pl.when(pl.col("academic_year") == "").then(
        pl.col("first_day").map_elements(academic_year, pl.String, skip_nulls=True)
    ).otherwise(pl.col("academic_year"))  # fmt: skip
    table.frame = table.frame.with_columns(years.alias("academic_year"))
    table.refuse(
        ~pl.col("academic_year").map_elements(_is_year, pl.Boolean),
        "academic_year",
        "{!r} is no academic year; 2025/26 is",
    )
    return table


def calendars(table: Table, schools: Iterable[School], taken_at: datetime) -> Calendars:
    """The whole calendar of every school and year that the file states, withheld where one of its rows is wrong.

    Adds to `table.wrong` what cannot be: closures or weeks of a school that no level states terms for, an LA or trust
    without a school.
    """
    stated: _Stated = defaultdict(list)
    for row in table.frame.iter_rows(named=True):
        stated[row["level"], row["code"], row["academic_year"]].append(row)
    known = {str(one.urn): one for one in schools}
    members: dict[tuple[str, str], list[School]] = defaultdict(list)
    for one in known.values():
        members["la", one.la_code].append(one)
        if one.trust_id:
            members["trust", one.trust_id].append(one)
    concerned: set[tuple[School, str]] = set()
    for level, code, year in stated:
        if level == "school":
            concerned.add((known.get(code) or School(int(code), "", None, None), year))
            continue
        if (level, code) not in members:
            table.wrong.append(
                Wrong(stated[level, code, year][0][LINE], "code", f"no school is known in {level} {code}")
            )
        # A default is for schools that are open in that year; one that has closed keeps the calendar it had.
        opens = academic_year_days(year)[0]
        concerned |= {(one, year) for one in members[level, code] if (one.closed_on or OPEN_END) >= opens}
    found = Calendars({}, set())
    # A wrong row that does not say whose it is may be anybody's.
    anybody = any(not _says_whose(key) for key in table.spoilt)
    for one, year in sorted(concerned, key=lambda pair: (pair[0].urn, pair[1])):
        places = {"la": one.la_code, "trust": one.trust_id or "", "school": str(one.urn)}
        levels = [stated.get((level, places[level], year), []) for level in _LEVELS]
        if anybody or any((level, places[level]) in table.spoilt for level in _LEVELS):
            found.withheld.add(one.urn)
            continue
        rows = _in_force(levels)
        if not rows:
            first = min(row[LINE] for level in levels for row in level)
            table.wrong.append(Wrong(first, "kind", f"nobody states a term of {year} for school {one.urn}"))
            continue
        found.records[one.urn, year] = _record(one.urn, year, rows, taken_at)
    return found


def _in_force(levels: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The rows that count of a school's year, given from the least specific level to the most; none without terms."""
    with_terms = [at for at, rows in enumerate(levels) if any(row["kind"] == "term" for row in rows)]
    if not with_terms:
        return []
    begin = with_terms[-1]
    cycles = [rows for rows in levels if any(row["kind"] == "weeks" for row in rows)]
    return [
        *(row for row in levels[begin] if row["kind"] == "term"),
        *(row for rows in levels[begin:] for row in rows if row["kind"] == "closure"),
        *(row for rows in cycles[-1:] for row in rows if row["kind"] == "weeks"),
    ]


def _record(urn: int, year: str, rows: Sequence[Mapping[str, Any]], taken_at: datetime) -> Record:
    by_kind: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["first_day"], row["last_day"] or OPEN_END, row["name"])):
        by_kind[row["kind"]].append(row)
    closures = {(row["first_day"], row["last_day"], row["name"]): None for row in by_kind["closure"]}
    return {
        "urn": urn,
        "academic_year": year,
        "taken_at": taken_at,
        "terms": [{name: row[name] for name in ("name", "first_day", "last_day")} for row in by_kind["term"]],
        "closures": [{"first_day": first, "last_day": last, "reason": why} for first, last, why in closures],
        "week_cycle": [
            {"first_day": row["first_day"], "weeks": [one.strip() for one in row["name"].split(";") if one.strip()]}
            for row in by_kind["weeks"]
        ],
    }


def _says_whose(key: tuple[str, ...]) -> bool:
    """Whether the level and code of a wrong row name a school, LA or trust."""
    return len(key) == 2 and key[0] in _LEVELS and (key[1].isdecimal() if key[0] == "school" else key[1] != "")


def _is_year(text: str) -> bool:
    try:
        academic_year_days(text)
    except ValueError:
        return False
    return True

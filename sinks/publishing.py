"""Attendance as the Department publishes it: rows of a layout out of the counts, cell by cell, upwards and over time.

Counts are added, rates come last (rule 19): a region is the sum of its authorities, Total of the phases, a week of its
days; rates of a Total until 2024/25 are another matter (rollcall/domain/totals.py). Schools and enrolments of a week or
year to date are means over the days that have a row (rule 22). Pupils of a year to date are enrolments (rule 20).
Basis: statutory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import now
from rollcall.domain.identity import academic_year, academic_year_days
from rollcall.domain.layouts import Layout
from rollcall.domain.phases import PHASES
from rollcall.domain.places import ONS_CODES, excluded_days
from rollcall.domain.report_columns import COLUMNS
from rollcall.domain.totals import is_weighted, weighted
from sinks import absence, categories
from sinks.as_at import known
from sinks.releases import as_csv, sha256, write
from sinks.statements import load
from sinks.suppression import withhold

__all__ = ["Asked", "publish", "rows", "span", "statements"]

Row = dict[str, str]

NATIONAL, REGIONAL, LOCAL = "National", "Regional", "Local authority"
#: The sum over phases.
TOTAL = "Total"


class Asked(NamedTuple):
    """What is to be published: session dates, both inclusive; authorities by their three-digit codes, all when empty.

    Regions and the nation are published only of all authorities. `suppression`: what is withheld, of SUPPRESSIONS
    (sinks/suppression.py).
    """

    first: date
    last: date
    las: Sequence[str] = ()
    suppression: str = "dfe"


class _Area(NamedTuple):
    level: str
    region_code: str = ""
    region_name: str = ""
    la_code: str = ""
    la_name: str = ""


@dataclass(slots=True)
class _Figures:
    """Counts by code and by category, with schools and enrolments: of a day, or summed over `days`."""

    marks: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    schools: int = 0
    enrolments: int = 0
    pupils: int = 0
    persistent: int = 0
    days: set[date] = field(default_factory=set)

    def add(self, other: _Figures) -> None:
        """Take another's in."""
        self.marks.update(other.marks)
        self.categories.update(other.categories)
        for name in ("schools", "enrolments", "pupils", "persistent"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.days |= other.days


_Place = tuple[_Area, str]


class _Known(NamedTuple):
    """Schools of the headline that there are, whether or not anything came of them, and pupils on their rolls."""

    schools: int = 0
    enrolments: int = 0


def rows(client: Client, layout: Layout, asked: Asked, at: datetime | None = None) -> Iterator[Row]:
    """The rows of a layout: as it has them every day, every week of those days, and the year to date at the last.

    `at`: the instant as at which `client` answers; None: now.
    """
    made = list(_all_rows(client, layout, asked, at))
    yield from map(layout.row, withhold(made, layout, asked.suppression, categories.within(client, *span(asked))))


def _all_rows(client: Client, layout: Layout, asked: Asked, at: datetime | None) -> Iterator[Row]:
    begin, _ = span(asked)
    days = _days(client, asked, begin)
    authorities = {area.la_code: area for _, (area, _) in days if area.level == LOCAL}
    known_of = _known(client, asked, authorities)
    asked_days = sorted({day for day, _ in days if asked.first <= day <= asked.last})
    for day in asked_days if "Daily" in layout.breakdowns else ():
        yield from _breakdown(layout, "Daily", day, _together(days, {day}, "Daily"), known_of)
    for monday in sorted({_monday(day) for day in asked_days}) if "Weekly" in layout.breakdowns else ():
        week = {day for day in asked_days if _monday(day) == monday}
        yield from _breakdown(layout, "Weekly", monday, _together(days, week, "Weekly"), known_of)
    if "YTD" in layout.breakdowns:
        year = _together(days, {day for day, _ in days}, "YTD")
        _add_pupils(client, asked, begin, authorities, year, at)
        yield from _breakdown(layout, "YTD", _monday(asked.last), year, known_of)


def span(asked: Asked) -> tuple[date, date]:
    """The session dates that the rows are made of: the year to date begins with the academic year."""
    return academic_year_days(academic_year(asked.last))[0], asked.last


def statements() -> tuple[str, ...]:
    """What `rows` asks, for `sinks.as_at.opened`."""
    counts = (load(f"publish_{name}") for name in ("schools", "counts", "known"))
    return (*counts, load("categories_in_force"), absence.of_enrolments("publish_pupils"))


def publish(client: Client, layout: Layout, asked: Asked, file: Path, at: datetime | None = None) -> dict[str, Any]:
    """Write the rows to a CSV file, and beside it (`<file>.manifest.json`) what it was made of; returns that.

    `at`: the instant as at which `client` answers (`sinks.as_at.opened`, of the session dates of `span`); None: now.
    Each is replaced whole, so that whoever finds the file finds all of it.
    """
    made = list(rows(client, layout, asked, at))
    text = as_csv(made, layout.columns)
    manifest = {
        "file": file.name, "sha256": sha256(text), "rows": len(made),
        "rows_withheld": sum(row["possible_sessions"] == layout.suppressed for row in made),
        "from": asked.first.isoformat(), "to": asked.last.isoformat(), "local_authorities": list(asked.las),
        "layout": layout.name, "suppression": asked.suppression, "basis": "statutory",
        **known(client, at).as_json(),
        "written_at": now().isoformat(timespec="seconds"),
    }  # fmt: skip
    write(file, text, manifest)
    return manifest


def _days(client: Client, asked: Asked, begin: date) -> dict[tuple[date, _Place], _Figures]:
    """Figures by day and place, of the year so far: authorities, and what they add up to."""
    parameters = {"first": begin.isoformat(), "last": asked.last.isoformat(), "las": list(asked.las)}
    found: dict[tuple[date, str, str], _Figures] = {}
    areas: dict[str, _Area] = {}
    for day, la_name, region_code, region_name, la_code, phase, schools, enrolments in client.query(
        load("publish_schools"), parameters=parameters
    ).result_rows:
        areas[la_code] = _Area(LOCAL, region_code, region_name, la_code, la_name)
        found[day, la_code, phase] = _Figures(schools=schools, enrolments=enrolments, days={day})
    for day, la_code, phase, code, category, marks in client.query(
        load("publish_counts"), parameters=parameters
    ).result_rows:
        found[day, la_code, phase].marks[code] += marks
        found[day, la_code, phase].categories[category] += marks
    summed: dict[tuple[date, _Place], _Figures] = {}
    for (day, la_code, phase), figures in found.items():
        for area in _above(areas[la_code], asked.las):
            for kind in (phase, TOTAL):
                summed.setdefault((day, (area, kind)), _Figures()).add(figures)
    return summed


def _known(client: Client, asked: Asked, authorities: Mapping[str, _Area]) -> dict[_Place, _Known]:
    """By authority, and what is above it, and phase; of the whole edition, so that every day's row says the same."""
    found: dict[_Place, _Known] = {}
    parameters = {"day": asked.last.isoformat(), "las": list(asked.las)}
    for la_code, phase, schools, enrolments in client.query(load("publish_known"), parameters=parameters).result_rows:
        for area in _above(authorities[la_code], asked.las) if la_code in authorities else ():
            held = found.get((area, phase), _Known())
            found[area, phase] = _Known(held.schools + schools, held.enrolments + enrolments)
    return found


def _above(area: _Area, las: Collection[str]) -> Iterator[_Area]:
    yield area
    if not las:
        yield _Area(REGIONAL, area.region_code, area.region_name)
        yield _Area(NATIONAL)


def _together(
    days: Mapping[tuple[date, _Place], _Figures], wanted: Collection[date], breakdown: str
) -> dict[_Place, _Figures]:  # fmt: skip
    """Figures of several days added up, by place, without the days that do not count there (rule 21)."""
    summed: dict[_Place, _Figures] = {}
    left_out = {area: _excluded(area, breakdown, min(wanted), max(wanted)) for _, (area, _) in days} if wanted else {}
    for (day, place), figures in days.items():
        if day in wanted and day not in left_out[place[0]]:
            summed.setdefault(place, _Figures()).add(figures)
    return summed


def _excluded(area: _Area, breakdown: str, first: date, last: date) -> frozenset[date]:
    return frozenset(excluded_days(first, last, area.region_code, area.la_code, breakdown))


def _add_pupils(
    client: Client, asked: Asked, begin: date, authorities: Mapping[str, _Area], year: Mapping[_Place, _Figures],
    at: datetime | None,
) -> None:  # fmt: skip
    """Pupils of the year to date, asked once for all places that leave the same days out."""
    alike: dict[frozenset[date], set[_Area]] = {}
    for area, _ in year:
        alike.setdefault(_excluded(area, "YTD", begin, asked.last), set()).add(area)
    for excluded, areas in alike.items():
        parameters = absence.parameters(absence.Asked(begin, asked.last, asked.las), excluded, at=at)
        for la_code, phase, *counts in absence.ask(client, "publish_pupils", parameters, at):
            for area in areas.intersection(_above(authorities[la_code], asked.las)):
                for kind in (phase, TOTAL):
                    year[area, kind].pupils += counts[0]
                    year[area, kind].persistent += counts[1]


def _breakdown(
    layout: Layout, breakdown: str, day: date, figures: Mapping[_Place, _Figures], known_of: Mapping[_Place, _Known]
) -> Iterator[Row]:  # fmt: skip
    for (area, phase), found in sorted(figures.items(), key=lambda one: one[0]):
        phases = [kind for kind in PHASES if (area, kind) in figures] if phase == TOTAL else [phase]
        of_phases = [(figures[area, kind], known_of.get((area, kind), _Known())) for kind in phases]
        is_single = phase != TOTAL or not is_weighted(max(found.days))
        if is_single or area.level != LOCAL:
            rates = _rates(layout, [(found, _Known(0, 1))] if is_single else of_phases)
            there_are = _Known(*map(sum, zip(*(there for _, there in of_phases), strict=True)))
            yield _row(layout, breakdown, day, area, phase, found, there_are, rates)


def _rates(layout: Layout, phases: Sequence[tuple[_Figures, _Known]]) -> Row:
    """Percentages of possible sessions, of one thing, or weighted by the enrolments of several."""
    counts = [(_numbers(found), there_are.enrolments) for found, there_are in phases]
    return {
        name: "NA" if value is None else layout.rate(value)
        for name, of in layout.percentages.items()
        for value in (weighted((_share(numbers, of), enrolments) for numbers, enrolments in counts),)
    }


def _share(numbers: Mapping[str, int], of: str) -> Fraction | None:
    possible = numbers["possible_sessions"]
    return Fraction(100 * numbers[of], possible) if possible else None


def _row(
    layout: Layout, breakdown: str, day: date, area: _Area, phase: str, found: _Figures, there_are: _Known, rates: Row
) -> Row:  # fmt: skip
    numbers = _numbers(found)
    row: Row = {
        "time_period": str(day.isocalendar().year), "time_identifier": str(day.isocalendar().week),
        "geographic_level": area.level, "country_code": "E92000001", "country_name": "England",
        "region_code": area.region_code, "region_name": area.region_name,
        "new_la_code": ONS_CODES.get(area.la_code, ""), "la_name": area.la_name, "old_la_code": area.la_code,
        "attendance_date": f"{day:%d/%m/%Y}", "day_number": str(day.isoweekday()), "school_type": phase,
        "week_commencing": f"{_monday(day):%d/%m/%Y}", "breakdown": breakdown,
        "academic_year": _academic_year(day, breakdown, phase),
        "num_schools": layout.mean(Fraction(found.schools, len(found.days))),
        "enrolments": layout.mean(Fraction(found.enrolments, len(found.days))),
        "total_num_schools": str(there_are.schools), "total_enrolments": str(there_are.enrolments),
        **_pupils(breakdown, phase, found), "pa_perc": "NA",
    }  # fmt: skip
    return row | {name: str(number) for name, number in numbers.items()} | rates


def _numbers(found: _Figures) -> dict[str, int]:
    """Every count of a row: of each code, and the sums that have names (identities of the published file)."""
    return {
        one.name: sum(found.marks[code] for code in one.codes)
        + sum(found.categories[category] for category in one.categories)
        for one in COLUMNS.values()
        if one.published
    }


def _pupils(breakdown: str, phase: str, found: _Figures) -> Row:
    """Enrolments with possible sessions, and the persistently absent: of the year to date; a week's Total says 0."""
    if breakdown == "YTD":
        return {"pa_flag": str(found.persistent), "ytd_enrolments": str(found.pupils)}
    nothing = "0" if breakdown == "Weekly" and phase == TOTAL else "NA"
    return {"pa_flag": nothing, "ytd_enrolments": nothing}


def _academic_year(day: date, breakdown: str, phase: str) -> str:
    """As 202526; the published file says NA in the Total rows of days and weeks."""
    return "NA" if phase == TOTAL and breakdown != "YTD" else academic_year(day).replace("/", "")


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())

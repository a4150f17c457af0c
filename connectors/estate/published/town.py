"""The schools around a cell's pupils, and beside them what must not count in any published figure (rules 13, 14, 17).

Every school has pupils who are too young or too old; every authority has an independent school, a pupil referral unit
and a nursery. They are marked like everybody else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from connectors.estate.published.allocation import NONE, allocate
from connectors.estate.published.cells import Cell

__all__ = ["FIRST_URN", "Pupil", "School", "schools"]

FIRST_URN = 150_001
_TYPES = {"Primary": "Academy converter", "Secondary": "Academy converter", "Special": "Academy special converter"}
#: First year group and how many, by phase. Year 1 is aged 5 at 31 August before.
_YEARS = {"Primary": (1, 6), "Secondary": (7, 5), "Special": (1, 11)}
#: Pupils of the headline's schools who are not in it, by phase: year group and age at 31 August.
_OUTSIDE = {"Primary": (("R", 4), ("N2", 3)), "Secondary": (("12", 16), ("13", 17)), "Special": (("R", 4), ("12", 16))}
#: Schools outside the headline, one of each an authority: name, type, phase, state-funded.
_BESIDE = (
    ("independent school", "Other independent school", "Secondary", False),
    ("pupil referral unit", "Pupil referral unit", "PRU/AP", True),
    ("nursery school", "Local authority nursery school", "Nursery", True),
)
_PUPILS_BESIDE = 20


@dataclass(frozen=True, slots=True)
class Pupil:
    """A pupil of a school. `spans`: first and last day on roll, None where open; `marks`: codes by day, AM then PM."""

    ref: str
    year_group: str
    age: int
    spans: Sequence[tuple[date, date | None]]
    marks: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class School:
    """A school that does not exist, with all its pupils."""

    urn: int
    name: str
    la_code: str
    la_name: str
    region_code: str
    region_name: str
    establishment_type: str
    phase: str
    state_funded: bool
    days: Sequence[date]
    pupils: Sequence[Pupil]


def schools(cells: Sequence[Cell]) -> Iterator[School]:
    """The schools of all cells, one by one: the nation's pupils do not fit in memory as these objects.

    Raises ValueError when a cell's counts contradict each other.
    """
    urn = FIRST_URN
    beside: set[str] = set()
    for cell in cells:
        dealt = allocate(cell)
        days = [day.day for day in cell.days]
        for rank in range(dealt.schools):
            rows = np.flatnonzero(dealt.school == rank)
            inside = [
                _pupil(cell.phase, number, days, dealt.on_roll[:, row], dealt.marks[:, :, row])
                for number, row in enumerate(rows)
            ]
            reports = [rank < day.schools for day in cell.days]
            outside = [_outside(year, age, days, reports) for year, age in _OUTSIDE[cell.phase]]
            yield _school(
                cell, urn, f"{cell.phase} school {rank + 1}", _TYPES[cell.phase], cell.phase, days, [*inside, *outside]
            )
            urn += 1
        if cell.la_code not in beside:
            beside.add(cell.la_code)
            for name, kind, phase, funded in _BESIDE:
                pupils = [_outside("8", 12, days, [True] * len(days), str(n)) for n in range(_PUPILS_BESIDE)]
                yield _school(cell, urn, name, kind, phase, days, pupils, funded=funded)
                urn += 1


def _school(
    cell: Cell, urn: int, name: str, kind: str, phase: str, days: list[date], pupils: list[Pupil], *,
    funded: bool = True,
) -> School:  # fmt: skip
    return School(
        urn, f"{cell.la_name} {name}", cell.la_code, cell.la_name, cell.region_code, cell.region_name, kind, phase,
        funded, days, pupils,
    )  # fmt: skip


def _pupil(phase: str, number: int, days: list[date], on_roll: Any, marks: Any) -> Pupil:
    first, years = _YEARS[phase]
    year = first + number % years
    said = [(str(am), str(pm)) for am, pm in marks]
    return Pupil(f"p{number}", str(year), year + 4, list(_spans(days, on_roll)), said)


def _outside(year: str, age: int, days: list[date], reports: Sequence[bool], ref: str = "") -> Pupil:
    marks = [("/", "\\") if here else (NONE, NONE) for here in reports]
    return Pupil(f"outside-{year}-{ref}", year, age, [(date(days[0].year - 1, 9, 1), None)], marks)


def _spans(days: list[date], on_roll: Any) -> Iterator[tuple[date, date | None]]:
    """Runs of days on roll, from the year before where the first day is one, and open where the last is. Who is never
    on roll has left before."""
    earlier = date(days[0].year - 1, 9, 1)
    begin: date | None = None
    for number, day in enumerate(days):
        if on_roll[number] and begin is None:
            begin = earlier if number == 0 else day
        if not on_roll[number] and begin is not None:
            yield begin, days[number - 1]
            begin = None
    if begin is not None:
        yield begin, None
    elif not on_roll.any():
        yield earlier, date(days[0].year, 7, 20)

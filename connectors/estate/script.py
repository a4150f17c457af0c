"""The script of a day: who says what when, in four ticks, and what must stand in the end.

Tick 0 the morning's registers, 1 what is corrected and repeated before noon, 2 the afternoon's, 3 its corrections. The
script knows by itself which code must stand for every pupil and session: from the day's truth and from what it changed,
never from a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from connectors.estate.dirt import LOCAL_CODES
from connectors.estate.messages import PulledChange, Submission
from connectors.estate.pupils import academic_year_of
from connectors.estate.schools import DIALECT, School
from rollcall.domain.codes import MapEntry, national_map_entries

__all__ = ["TICKS", "Calendar", "EndKey", "Script", "code_maps", "merge_ends"]

TICKS = 4

#: (urn, pupil, session date, session).
EndKey = tuple[int, int, date, str]


@dataclass(frozen=True, slots=True)
class Calendar:
    """School days of the academic years around a date: three terms a year, half-term closures, nothing on weekends.

    Every school of the estate keeps the same days. Autumn begins on the first Wednesday from 2 September on.
    """

    years: tuple[int, ...]

    @classmethod
    def around(cls, day: date, ahead_of: date) -> Calendar:
        """The academic years from that of `day` to the one that holds the days after `ahead_of`."""
        first, last = academic_year_of(day), academic_year_of(max(day, ahead_of) + timedelta(days=70))
        return cls(tuple(range(first, last + 1)))

    def terms(self, year: int) -> list[tuple[str, date, date]]:
        """Name, first and last day of each term of the year that begins in `year`."""
        begin = date(year, 9, 2)
        begin += timedelta(days=(2 - begin.weekday()) % 7)
        return [
            ("autumn", begin, date(year, 12, 19)),
            ("spring", date(year + 1, 1, 5), date(year + 1, 3, 27)),
            ("summer", date(year + 1, 4, 13), date(year + 1, 7, 21)),
        ]

    def closures(self, year: int) -> list[tuple[date, date, str]]:
        """First and last day of each closure within the terms, and its reason."""
        autumn = date(year, 10, 25)
        autumn += timedelta(days=(0 - autumn.weekday()) % 7)
        return [
            (autumn, autumn + timedelta(days=4), "half_term"),
            (date(year + 1, 2, 16), date(year + 1, 2, 20), "half_term"),
            (date(year + 1, 5, 25), date(year + 1, 5, 29), "half_term"),
        ]

    def open(self, day: date) -> bool:
        """Whether schools are open: within a term, no closure. Saturdays and Sundays are never marked here."""
        if not self.loaded(day):
            return False
        year = academic_year_of(day)
        within = any(first <= day <= last for _, first, last in self.terms(year))
        return within and not any(first <= day <= last for first, last, _ in self.closures(year))

    def loaded(self, day: date) -> bool:
        """Whether the day lies in an academic year that is published."""
        return academic_year_of(day) in self.years

    def next_open(self, day: date) -> date:
        """The first weekday on or after `day` on which schools are open."""
        while day.weekday() > 4 or not self.open(day):
            day += timedelta(days=1)
        return day

    def closed_before(self, day: date) -> date:
        """The last weekday before the term of `day` that belongs to the same academic year: 1 September or later."""
        first = self.terms(academic_year_of(day))[0][1] - timedelta(days=1)
        while first.weekday() > 4:
            first -= timedelta(days=1)
        return max(first, date(first.year, 9, 1))


@dataclass
class Script:
    """What is said, tick by tick. `submissions[t]` keeps the order in which each school sends; `end` is the raw code
    that must stand, without keys at which nothing stands; `missing` are registers never sent; `counts` what dirt was
    put in, by kind."""

    submissions: list[list[Submission]] = field(default_factory=lambda: [[] for _ in range(TICKS)])
    changes: list[list[PulledChange]] = field(default_factory=lambda: [[] for _ in range(TICKS)])
    end: dict[EndKey, str] = field(default_factory=dict)
    missing: set[tuple[int, str, date, str]] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def extend(self, other: Script) -> None:
        """Append the script of a later day, tick after tick."""
        self.submissions.extend(other.submissions)
        self.changes.extend(other.changes)
        self.end.update(other.end)
        self.missing |= other.missing
        self.reused |= other.reused
        self.counts.update(other.counts)


def code_maps(schools: Iterable[School]) -> dict[str, tuple[MapEntry, ...]]:
    """Every code map the estate publishes, by scheme: the national one first, then dialects (all national codes and the
    local ones)."""
    national = national_map_entries()
    dialect = (*national, *(MapEntry(raw, canonical) for raw, canonical in LOCAL_CODES.items()))
    maps = {"national": national, DIALECT: dialect}
    for school in schools:
        if school.pulled and school.pulled_scheme != "national":
            maps[school.pulled_scheme] = dialect
    return maps


def merge_ends(register: Mapping[EndKey, str], mis: Mapping[EndKey, str], definite: Sequence[str]) -> dict[EndKey, str]:
    """What stands where both sources spoke (rule 17): a definite code before N or an unmapped one, then the MIS.

    definite: raw codes that are mapped and are not N.
    """
    end = {**register, **mis}
    for key in register.keys() & mis.keys():
        if mis[key] not in definite and register[key] in definite:
            end[key] = register[key]
    return end

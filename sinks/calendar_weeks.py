"""The weeks of a school's calendar: on which days it is open, and what its cycle calls the week (rule 21).

Worked out once for each version of a calendar, when it is loaded; the views `open_days` and `school_weeks` only choose
the version in force.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

__all__ = ["SchoolWeek", "school_weeks"]

#: First and last day, both inclusive. None where the last lies before the first.
Span = tuple[date, date]

_DAY = timedelta(days=1)
_FRIDAY = 5


class SchoolWeek(NamedTuple):
    """`commencing` is a Monday, `days` are ISO weekdays in order, `name` is empty where no cycle names the week."""

    commencing: date
    name: str
    days: list[int]


def school_weeks(
    terms: Iterable[Span], closures: Iterable[Span], cycles: Iterable[tuple[date, Sequence[str]]]
) -> list[SchoolWeek]:
    """The weeks with an open day, in order. A day is open within any term and outside every closure.

    `cycles`: a day of the week that gets the first name, and the names that weeks take in turn from then on. A week
    without an open Monday to Friday has no name and is not counted; a later cycle begins anew.
    """
    open_days = {day for span in terms for day in _days(span)} - {day for span in closures for day in _days(span)}
    weeks: dict[date, list[int]] = defaultdict(list)
    for day in sorted(open_days):
        weeks[_monday(day)].append(day.isoweekday())
    names = _names([monday for monday, days in weeks.items() if days[0] <= _FRIDAY], cycles)
    return [SchoolWeek(monday, names.get(monday, ""), days) for monday, days in weeks.items()]


def _names(mondays: Iterable[date], cycles: Iterable[tuple[date, Sequence[str]]]) -> Mapping[date, str]:
    begins = {_monday(first): names for first, names in cycles if names}
    names: dict[date, str] = {}
    counted: dict[date, int] = defaultdict(int)
    for monday in mondays:
        governing = max((begin for begin in begins if begin <= monday), default=None)
        if governing is not None:
            cycle = begins[governing]
            names[monday] = cycle[counted[governing] % len(cycle)]
            counted[governing] += 1
    return names


def _days(span: Span) -> Iterable[date]:
    first, last = span
    return (first + n * _DAY for n in range((last - first).days + 1))


def _monday(day: date) -> date:
    return day - (day.isoweekday() - 1) * _DAY

"""In which form a file writes its dates: decided by all of them together, never by one, and never by guessing.

03/11/2025 is 3 November or 11 March. 25/11/2025 in the same file tells; where no date of the file tells, the source's
options must. Dates with the year first can be read in one way only, so a column of them says nothing of the others; but
one column holds one kind.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from functools import lru_cache

from connectors.csvdrop.unreadable import Unreadable
from rollcall.domain.clock import date_as_written, local_instant, parse_local

__all__ = ["DAY_FIRST", "FORMS", "MONTH_FIRST", "YEAR_FIRST", "Evidence", "read_day", "read_instant"]

YEAR_FIRST, DAY_FIRST, MONTH_FIRST = "yyyy-mm-dd", "dd/mm/yyyy", "mm/dd/yyyy"
FORMS = (YEAR_FIRST, DAY_FIRST, MONTH_FIRST)

_YEAR_FIRST = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?")
_YEAR_LAST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[T ](.*))?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")
#: So many different dates are remembered as met; a file has a few hundred.
_REMEMBERED = 10_000
_MONTHS, _LONGEST_MONTH = 12, 31


class Evidence:
    """What the dates of one file say about their form. Text that is no date says nothing: its row is refused."""

    def __init__(self) -> None:
        self._met: set[tuple[str, str]] = set()
        #: The first line with a date of this kind, by column, and the first that rules an order out.
        self._year_first: dict[str, int] = {}
        self._year_last: dict[str, int] = {}
        self._no_day_first: int | None = None
        self._no_month_first: int | None = None

    def add(self, text: str, line: int, column: str) -> None:
        """A date, as the file writes it, and the line and column it stands in."""
        if (column, text) in self._met:
            return
        if len(self._met) < _REMEMBERED:
            self._met.add((column, text))
        text = text.strip()
        if _YEAR_FIRST.fullmatch(text):
            self._year_first.setdefault(column, line)
            return
        found = _YEAR_LAST.fullmatch(text)
        if found is None:
            return
        first, second = int(found[1]), int(found[3])
        if not (1 <= min(first, second) <= _MONTHS and max(first, second) <= _LONGEST_MONTH):
            return  # no date in any form
        self._year_last.setdefault(column, line)
        if second > _MONTHS:
            self._no_day_first = self._no_day_first or line
        if first > _MONTHS:
            self._no_month_first = self._no_month_first or line

    def decide(self, told: str | None) -> str:
        """The form. told: what the source's options say. Raises Unreadable when there is not one, or not only one."""
        for column in self._year_first.keys() & self._year_last.keys():
            raise Unreadable(
                f"the dates of its column {column} are written in two ways: with the year first on line "
                f"{self._year_first[column]} and last on line {self._year_last[column]}"
            )
        if not self._year_last:
            return YEAR_FIRST
        line = min(self._year_last.values())
        no_day_first, no_month_first = self._no_day_first, self._no_month_first
        if no_day_first is not None and no_month_first is not None:
            raise Unreadable(
                f"its dates are written in two ways: the month stands first on line {no_day_first} and second on line "
                f"{no_month_first}"
            )
        if told == YEAR_FIRST:
            raise Unreadable(f"line {line} has a date that is not written {YEAR_FIRST}, as the options say")
        if told is not None:
            against = no_day_first if told == DAY_FIRST else no_month_first
            if against is not None:
                raise Unreadable(f"line {against} has a date that is not written {told}, as the options say")
            return told
        if no_month_first is not None:
            return DAY_FIRST
        if no_day_first is not None:
            raise Unreadable(
                f"line {no_day_first} has its month first: if that is meant, set dates to {MONTH_FIRST} in the options"
            )
        raise Unreadable(
            f"every date of it, from line {line} on, can be read with the day first and with the month "
            f"first: set dates to {DAY_FIRST} or {MONTH_FIRST} in the options"
        )


@lru_cache(maxsize=4_096)
def read_day(text: str, form: str) -> date:
    """The day that a date of a file says, a time behind it or not (rule 8). Raises ValueError when it is none.

    Remembered: a file has a million rows and a few hundred days.
    """
    try:
        if form == YEAR_FIRST or _YEAR_FIRST.fullmatch(text.strip()):
            return date_as_written(text)
        day, _ = _year_last(text, form)
    except ValueError:
        raise ValueError("a date cannot be read") from None
    return day


def read_instant(text: str, form: str) -> datetime:
    """The instant, UTC, that a date and time of a file says: London time where no offset is given (rule 8).

    Raises ValueError when it is none.
    """
    try:
        if form == YEAR_FIRST or _YEAR_FIRST.fullmatch(text.strip()):
            return parse_local(text).instant
        day, clock = _year_last(text, form)
        found = _TIME.fullmatch(clock.strip())
        if found is None:
            raise ValueError
        at = time(int(found[1]), int(found[2]), int(found[3] or 0))
    except ValueError:
        raise ValueError("a time cannot be read") from None
    return local_instant(datetime.combine(day, at)).instant.astimezone(UTC)


def _year_last(text: str, form: str) -> tuple[date, str]:
    found = _YEAR_LAST.fullmatch(text.strip())
    if found is None:
        raise ValueError("no date")
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    day, month = (first, second) if form == DAY_FIRST else (second, first)
    return date(year, month, day), found[5] or ""

"""School time. Session dates and times of day are Europe/London; instants are UTC, always with their zone (rule 8)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = [
    "LONDON",
    "OPEN_END",
    "OPEN_START",
    "LocalInstant",
    "as_utc",
    "date_as_written",
    "local_instant",
    "london_date",
    "now",
    "of_milliseconds",
    "parse_local",
    "session_opens",
    "to_the_millisecond",
]

LONDON = ZoneInfo("Europe/London")
#: How the tables write "since ever" and "still": the smallest and the largest value of ClickHouse's Date.
OPEN_START = date(1970, 1, 1)
OPEN_END = date(2149, 6, 6)

_HH_MM = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_WRITTEN_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}.*)?")


class LocalInstant(NamedTuple):
    """An instant read from a local time. `ambiguous`: the hour occurs twice that night, and the earlier was taken.

    `skipped`: the hour does not occur that night (the clock went forward over it); it was read as if it had not.
    """

    instant: datetime
    ambiguous: bool = False
    skipped: bool = False


def now() -> datetime:
    """This instant, UTC."""
    return datetime.now(UTC)


def to_the_millisecond(instant: datetime) -> datetime:
    """The instant without what is finer than a millisecond: as the schemas have it."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def as_utc(instant: datetime) -> datetime:
    """An instant of a ClickHouse column of UTC, which comes without its zone where the driver leaves it out."""
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def of_milliseconds(milliseconds: int) -> datetime:
    """The instant so many milliseconds after 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def london_date(instant: datetime) -> date:
    """The day it is in London at this instant. Raises ValueError for an instant without a zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs its zone")
    return instant.astimezone(LONDON).date()


def local_instant(local: datetime) -> LocalInstant:
    """The instant of a London wall-clock time (without zone). In the repeated autumn hour the earlier one (rule 8)."""
    if local.tzinfo is not None:
        raise ValueError("a wall-clock time has no zone")
    earlier = local.replace(tzinfo=LONDON, fold=0).astimezone(UTC)
    later = local.replace(tzinfo=LONDON, fold=1).astimezone(UTC)
    if earlier == later:
        return LocalInstant(earlier)
    # In the spring gap fold=1 gives the earlier instant, so the order tells the two changes of the year apart.
    return LocalInstant(earlier, ambiguous=True) if earlier < later else LocalInstant(earlier, skipped=True)


def session_opens(day: date, at: str) -> datetime:
    """The instant of "HH:MM", London wall-clock time, on this day: when a register opens or closes. UTC.

    Raises ValueError when `at` is not HH:MM on a 24-hour clock.
    """
    match = _HH_MM.fullmatch(at)
    if match is None:
        raise ValueError(f"{at!r} is no time of day; HH:MM is wanted, as 08:45")
    return local_instant(datetime.combine(day, time(int(match[1]), int(match[2])))).instant


def parse_local(text: str) -> LocalInstant:
    """Read an ISO 8601 date and time. With an offset (or Z) it is that instant; without, London wall-clock time.

    Raises ValueError when it is no date and time; a date alone is none.
    """
    if len(text.strip()) <= len("2025-09-10"):
        raise ValueError(f"{text!r} is no date and time; 2025-09-10T08:45:00+01:00 is one")
    read = datetime.fromisoformat(text.strip())
    return local_instant(read) if read.tzinfo is None else LocalInstant(read.astimezone(UTC))


def date_as_written(text: str) -> date:
    """The day that a source's date or timestamp says, whatever its zone: it is never shifted (rule 8).

    "2025-09-10 00:00:00.000000" of a source in Europe/London is 10 September, in summer time too, although that
    midnight is 9 September 23:00 in UTC. Raises ValueError when no date can be read.
    """
    match = _WRITTEN_DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no date; YYYY-MM-DD is wanted")
    return date.fromisoformat(match[1])

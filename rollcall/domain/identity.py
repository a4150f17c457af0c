"""Our own numbers for pupils, and the academic year. A `pupil_id` is given once, by the crosswalk, and kept."""

from __future__ import annotations

from datetime import date

import xxhash

from rollcall.domain.upn import SCHEME

__all__ = ["academic_year", "academic_year_days", "new_pupil_id"]


def new_pupil_id(urn: int, scheme: str, ref: str, *, shared: bool = False) -> int:
    """The pupil_id of a pupil first met under this reference: an unsigned 64-bit number, the same wherever computed.

    A valid UPN that only one pupil of the school carries gives the same number at every school, so that a pupil who is
    registered at two schools is one pupil. Any other reference, and a UPN that is `shared` (rule 5), means something
    in its own school only.
    """
    name = f"upn|{ref}" if scheme == SCHEME and not shared else f"{urn}|{scheme}|{ref}"
    # 0 means "no pupil" in the crosswalk.
    return int(xxhash.xxh3_64_intdigest(name.encode())) or 1


def academic_year(day: date) -> str:
    """The academic year a day belongs to, as "2025/26": it begins on 1 September.

    The last days of August belong to the year that ends: no school's term begins before September, bar INSET days.
    """
    start = day.year if day.month >= 9 else day.year - 1
    return f"{start}/{(start + 1) % 100:02d}"


def academic_year_days(year: str) -> tuple[date, date]:
    """First and last day of an academic year: 1 September and 31 August. Raises ValueError when it is not "2025/26"."""
    start, _, end = year.partition("/")
    if not (len(start) == 4 and start.isdecimal() and end == f"{(int(start) + 1) % 100:02d}"):
        raise ValueError(f"{year!r} is no academic year; 2025/26 is one")
    return date(int(start), 9, 1), date(int(start) + 1, 8, 31)

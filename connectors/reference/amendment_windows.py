"""Amendment windows from a file (rule 26): in how many school days a mark may be amended. The file is all of them.

Columns: urn (or * for every school without a window of its own), school_days, valid_from; and, where wanted, valid_to.
The days are session dates (rule 10), inclusive.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from connectors.reference.table import LINE, Table, Wrong, read
from rollcall.domain.clock import OPEN_END

__all__ = ["read_windows"]

_EVERY_SCHOOL = "*"
#: A school year has 190 school days.
_MOST_DAYS = 190


def read_windows(file: Path) -> Table:
    """The rows of a file, CSV or JSON: `urn` a number (0 for *), days dates, `valid_to` the last day there is if empty.

    Taken out: no URN, no number of days from 0 to 190, a day that is none, a last day before the first, two windows of
    a school for one date. Raises UsageError when it is no such file.
    """
    table = read(file, ("urn", "school_days", "valid_from"), {"valid_to": ""}, encoding="utf-8")
    every = pl.col("urn") == _EVERY_SCHOOL
    table.refuse(~every & ~pl.col("urn").str.contains("^[1-9][0-9]{0,8}$"), "urn", "{!r} is no URN, and not *")
    table.frame = table.frame.with_columns(
        pl.when(pl.col("urn") == _EVERY_SCHOOL).then(pl.lit("0")).otherwise(pl.col("urn")).cast(pl.Int64).alias("urn")
    )
    table.refuse(~pl.col("school_days").str.contains("^[0-9]{1,3}$"), "school_days", "{!r} is no number of school days")
    table.frame = table.frame.with_columns(pl.col("school_days").cast(pl.Int64))
    table.refuse(pl.col("school_days") > _MOST_DAYS, "school_days", "{} are more than a school year has")
    table.need("valid_from")
    table.dates("valid_from", "valid_to")
    table.frame = table.frame.with_columns(pl.col("valid_to").fill_null(OPEN_END))
    table.refuse(pl.col("valid_to") < pl.col("valid_from"), "valid_to", "{} is before valid_from")
    _refuse_overlaps(table)
    return table


def _refuse_overlaps(table: Table) -> None:
    """Take out a window that begins before the one before it, of the same school, ends."""
    last: dict[int, date] = {}
    lines = []
    for line, urn, first, until in table.frame.sort("urn", "valid_from", LINE).select(
        LINE, "urn", "valid_from", "valid_to"
    ).iter_rows():  # fmt: skip
        if urn in last and first <= last[urn]:
            table.wrong.append(Wrong(line, "valid_from", f"{first} has a window of this school already", table.unit))
            lines.append(line)
            continue
        last[urn] = until
    table.frame = table.frame.filter(~pl.col(LINE).is_in(lines))

"""Timetables from a file: the registers each school expects, a row each. The file is each school's whole version.

Columns: urn, group_id, session (AM or PM), opens_at, closes_at (HH:MM, London), valid_from; and, where wanted,
valid_to, weekdays ("1;2;3;4;5", 1 is Monday; Monday to Friday where empty), weeks ("A"; every week where empty), groups
(whose pupils it takes: "7A;7B" for a joint register), period (a lesson).

Who takes a register is not in it: cover by another teacher changes nothing about what is expected.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from connectors.reference.table import LINE, Table, read

__all__ = ["read_timetables", "timetables"]

_OPTIONAL = {"valid_to": "", "weekdays": "", "weeks": "", "groups": "", "period": ""}
_TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
_WEEKDAYS = "1;2;3;4;5"


def read_timetables(file: Path) -> Table:
    """The rows of a timetable file, CSV or JSON: `urn` a number, days dates, `weekdays`, `weeks`, `groups` lists.

    Taken out: no URN, no group, another session than AM and PM, a time that is none, a closing that is not after the
    opening, weekdays that are none, a last day before the first, the same register twice. Raises UsageError when it is
    no such file.
    """
    columns = ("urn", "group_id", "session", "opens_at", "closes_at", "valid_from")
    table = read(file, columns, _OPTIONAL, encoding="utf-8", keys=("urn",))
    table.number("urn", "URN")
    table.need("group_id", "valid_from")
    table.refuse(~pl.col("session").is_in(["AM", "PM"]), "session", "{!r} is neither AM nor PM")
    for column in ("opens_at", "closes_at"):
        table.refuse(~pl.col(column).str.contains(_TIME), column, "{!r} is no time of day; HH:MM is wanted, as 08:45")
    table.refuse(pl.col("closes_at") <= pl.col("opens_at"), "closes_at", "{} is not after opens_at")
    table.dates("valid_from", "valid_to")
    table.refuse(pl.col("valid_to") < pl.col("valid_from"), "valid_to", "{} is before valid_from")
    days = pl.when(pl.col("weekdays") == "").then(pl.lit(_WEEKDAYS)).otherwise(pl.col("weekdays"))
    table.frame = table.frame.with_columns(days.alias("weekdays"))
    table.refuse(
        ~pl.col("weekdays").str.contains("^ *[1-7] *(; *[1-7] *)*$"), "weekdays", "{!r} are no weekdays; 1;2;3 are"
    )
    table.unique(
        ["group_id", "urn", "session", "period", "weekdays", "weeks", "valid_from"],
        "the register of {} stands there already",
    )
    table.frame = table.frame.with_columns(
        _items("weekdays").cast(pl.List(pl.Int64)), _items("weeks"), _items("groups")
    )
    return table


def timetables(table: Table, taken_at: datetime) -> tuple[dict[int, dict[str, Any]], set[int]]:
    """URN -> record of reference.register.v1; and the schools withheld, for a row of theirs is wrong.

    Without that row the version would say that its register is not expected. A wrong row that does not say whose it is
    may be anybody's: then all are withheld.
    """
    registers: dict[int, list[dict[str, Any]]] = {}
    for row in table.frame.sort("urn", "group_id", "session", "period", "valid_from", LINE).iter_rows(named=True):
        registers.setdefault(row["urn"], []).append(
            {
                **{
                    name: row[name]
                    for name in ("group_id", "session", "opens_at", "closes_at", "valid_from", "valid_to")
                },
                "period": row["period"] or None,
                **{name: sorted(set(row[name])) for name in ("weekdays", "weeks", "groups")},
            }
        )
    told = {int(key[0]) for key in table.spoilt if key and key[0].isdecimal()}
    withheld = set(registers) if len(told) < len(table.spoilt) else told & registers.keys()
    return {
        urn: {"urn": urn, "source": "timetable", "taken_at": taken_at, "registers": expected}
        for urn, expected in registers.items()
        if urn not in withheld
    }, withheld


def _items(column: str) -> pl.Expr:
    """What stands in a column between semicolons, without the spaces around it."""
    return pl.col(column).str.split(";").list.eval(
        pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != "")
    )  # fmt: skip

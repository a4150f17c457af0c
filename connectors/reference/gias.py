"""GIAS, the Department's register of schools: the extract `edubasealldataYYYYMMDD.csv` and its links file, as records.

The extract has a row a school, also for those that closed long ago: about 50,000 rows and 125 to 150 columns,
Windows-1252, days written dd-mm-yyyy. Source: "Get information about schools", Downloads, "Establishment fields" and
"Establishment links". Read are the columns named here and no others: the extract holds the names of heads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from connectors.reference.table import LINE, Table, read
from rollcall.domain.clock import OPEN_START
from rollcall.domain.phases import phase_of, state_funded
from rollcall.domain.regions import REGIONS

__all__ = ["Record", "date_in_name", "effective", "read_links", "read_schools", "records"]

#: A record of reference.school.v1.
Record = dict[str, Any]

#: The extract's columns -> ours.
_COLUMNS = {
    "URN": "urn",
    "LA (code)": "la_code",
    "LA (name)": "la_name",
    "EstablishmentNumber": "establishment_number",
    "EstablishmentName": "name",
    "TypeOfEstablishment (name)": "establishment_type",
    "EstablishmentStatus (name)": "establishment_status",
    "OpenDate": "opened_on",
    "CloseDate": "closed_on",
    "PhaseOfEducation (name)": "phase_of_education",
    "TrustSchoolFlag (name)": "trust_school_flag",
    "Trusts (code)": "trust_id",
    "Trusts (name)": "trust_name",
    "GOR (code)": "region_code",
    "GOR (name)": "region_name",
}
_LINKS = {"URN": "urn", "LinkURN": "linked_urn", "LinkType": "link_type", "LinkEstablishedDate": "linked_on"}
_NEEDED = ("LA (code)", "LA (name)", "EstablishmentName", "TypeOfEstablishment (name)", "EstablishmentStatus (name)")
_DAY = {"written": "%d-%m-%Y", "example": "31-08-2019"}
#: GIAS's statuses in the schema's three words; "Open, but proposed to close" is open.
_STATUS = {"Closed": "closed", "Proposed to open": "proposed"}
#: The facts that statistics use as they were on the session date (rule 12): a change of one begins a new span of days.
_DATED = (
    "name",
    "la_code",
    "la_name",
    "establishment_number",
    "region_code",
    "region_name",
    "trust_id",
    "trust_name",
    "trust_school_flag",
    "establishment_type",
    "phase_of_education",
    "phase",
    "state_funded",
)


def date_in_name(file: Path) -> date | None:
    """The day an extract says, by its name, that it was taken on; None when the name says none."""
    found = re.search(r"(\d{4})(\d{2})(\d{2})(?!\d)", file.stem)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def read_schools(file: Path, encoding: str = "cp1252") -> Table:
    """The schools of an extract: our columns, `urn` a number, `opened_on` and `closed_on` dates or null.

    Taken out: a URN that is none or stands there twice, an empty LA, name, type or status, a day that is none, a
    closing before the opening. Raises UsageError when it is no such extract.
    """
    table = read(file, list(_COLUMNS), encoding=encoding)
    table.number("URN", "URN")
    table.unique(["URN"], "{} stands there already")
    table.need(*_NEEDED)
    table.dates("OpenDate", "CloseDate", **_DAY)
    table.refuse(pl.col("CloseDate") < pl.col("OpenDate"), "CloseDate", "{} is before OpenDate")
    table.frame = table.frame.rename(_COLUMNS)
    return table


def read_links(file: Path, schools: pl.DataFrame, encoding: str = "cp1252") -> Table:
    """The links of the extract's schools: urn, linked_urn, link_type, linked_on (a date or null).

    Taken out: what is no URN, a link of a school that the extract does not have, an empty type, a day that is none.
    """
    table = read(file, list(_LINKS), encoding=encoding)
    table.number("URN", "URN")
    table.number("LinkURN", "URN")
    table.need("LinkType")
    table.dates("LinkEstablishedDate", **_DAY)
    table.refuse(~pl.col("URN").is_in(schools["urn"].implode()), "URN", "{} is no school of the extract")
    table.frame = table.frame.rename(_LINKS)
    return table


def records(schools: pl.DataFrame, links: pl.DataFrame | None, taken_at: datetime) -> dict[int, Record]:
    """URN -> record of reference.school.v1. `links` None: nothing is said of links.

    Phase and funding by rule 13, from type and phase of education. The facts are said from the school's opening on:
    what GIAS said before this extract, an extract does not tell. `effective` moves that where an earlier one is known.
    """
    kinds = schools.select("establishment_type", "phase_of_education").unique()
    judged = kinds.with_columns(
        pl.Series("phase", [phase_of(*kind) for kind in kinds.iter_rows()], pl.String),
        pl.Series("state_funded", [state_funded(kind) for kind, _ in kinds.iter_rows()], pl.Boolean),
    )
    frame = schools.join(judged, on=["establishment_type", "phase_of_education"], how="left").with_columns(
        pl.col("region_code").replace(REGIONS),
        pl.col("establishment_status").replace_strict(_STATUS, default="open").alias("status"),
        pl.when(pl.col("trust_id") != "").then(pl.col("trust_id", "trust_name")),
        pl.col("opened_on").fill_null(OPEN_START).alias("valid_from"),
        pl.col("closed_on").alias("valid_to"),
        pl.lit("gias").alias("source"),
    )
    linked: dict[int, list[Record]] = {}
    if links is not None:
        for urn, *link in links.drop(LINE).unique().sort("urn", "linked_urn", "link_type").iter_rows():
            linked.setdefault(urn, []).append(dict(zip(("urn", "link_type", "linked_on"), link, strict=True)))
    return {
        row["urn"]: {**row, "taken_at": taken_at, "links": None if links is None else linked.get(row["urn"], [])}
        for row in frame.drop(LINE).iter_rows(named=True)
    }


def effective(record: Record, before: Mapping[str, Any], as_of: date) -> Record | None:
    """What is to be published of a school of which `before` is known; None when that says the same.

    Links that this record says nothing of stay as they were. A fact of rule 12 that changed (LA, trust, phase, ...)
    counts from the extract's day on, of a school that had closed by then from its last day on; opening, closing and
    links say something of the whole span and overrule it.
    """
    new = {**record, "links": before["links"] if record["links"] is None else record["links"]}
    timeless = {"taken_at", "valid_from"}
    if all(new[name] == before[name] for name in new if name not in timeless):
        return None
    since = before["valid_from"]
    if any(new[name] != before[name] for name in _DATED):
        since = max(since, min(as_of, new["closed_on"] or as_of))
    elif since == (before["opened_on"] or OPEN_START):
        since = new["valid_from"]
    return {**new, "valid_from": since}

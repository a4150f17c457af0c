"""Layouts of Explore education statistics in 2024: an authority's day comes out cell by cell as it was published."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rollcall.domain.codes import CODES
from rollcall.domain.layouts import EES_2024, LAYOUTS
from rollcall.domain.published_files import compare, read
from sinks.publishing import Asked, publish, rows
from tests.sinks import rows as db_rows

MONDAY = date(2024, 9, 9)
#: Rows of the Department's file of the week.
EES = Path(__file__).with_name("ees_daily_2024_week37.csv")


@pytest.fixture
def telford(clickhouse: Any) -> tuple[Any, list[dict[str, str]]]:
    """The schools of one authority with the counts of 9 September 2024 as published, and the published rows.

    Each school that reports has a mark; pupils are at the first of a phase.
    """
    with EES.open(encoding="utf-8", newline="") as text:
        published = [row for row in csv.DictReader(text) if row["old_la_code"] == "894"]
    place = {"la_code": "894", "la_name": "Telford and Wrekin"}
    place |= {"region_code": "E12000005", "region_name": "West Midlands"}
    day, counts = MONDAY, []
    for number, row in enumerate(published):
        first = 100001 + 1000 * number
        reporting = range(first, first + int(row["num_schools"]))
        for urn in reporting:
            db_rows.school(clickhouse, urn, phase=row["school_type"], **place)
        db_rows.in_force(clickhouse, "roster", first)
        clickhouse.command(
            "INSERT INTO enrolment (urn, taken_at, pupil_id, first_day, last_day, status, year_group, in_scope)"
            " SELECT {urn:UInt32}, {taken:DateTime64(3)}, {urn:UInt64} * 100000 + number, '2024-09-01', '2149-06-06',"
            " 'main', '7', true FROM numbers({pupils:UInt32})",
            parameters={"urn": first, "taken": db_rows.TAKEN.replace(tzinfo=None), "pupils": int(row["enrolments"])},
        )
        for code in (one for one in CODES if row.get(one.dfe_column, "0") != "0"):
            others = reporting[1:] if code.code == "/" else ()
            of_first = int(row[code.dfe_column]) - len(others)
            counts += [
                {"session_date": day, "urn": urn, "session": "AM", "in_scope": True, "year_group": "7",
                 "canonical_code": code.code, "marks": marks, "derived_version": 1}
                for urn, marks in [(first, of_first), *((other, 1) for other in others)]
            ]  # fmt: skip
    db_rows.insert(clickhouse, "school_session", counts)
    return clickhouse, published


def test_a_day_of_september_2024_comes_out_as_it_was_published_in_the_layout_of_then(
    telford: tuple[Any, list[dict[str, str]]], tmp_path: Path
) -> None:
    """Every cell of three rows and 67 columns but total_*, which are reference data of the edition."""
    client, published = telford
    file, monday = tmp_path / "ees.csv", MONDAY
    manifest = publish(client, EES_2024, Asked(monday, monday, ("894",)), file)
    assert (manifest["layout"], manifest["rows"], manifest["rows_withheld"]) == ("ees-2024", 3, 0)
    made = {row["school_type"]: row for row in read(file)}
    assert list(made) == ["Primary", "Secondary", "Special"], "an authority has no Total"
    for row in published:
        ours = made[row["school_type"]]
        assert list(ours) == list(row)
        for column, cell in row.items():
            if column.endswith("_perc"):
                assert float(ours[column]) == pytest.approx(float(cell), rel=3e-15), column
            elif not column.startswith("total_"):
                assert ours[column] == cell, column
    found = compare(read(EES), read(file), las=["894"], dates=["2024-09-09"])
    assert (found.rows, found.cells, found.differences) == (3, 165, [])


def test_weeks_and_the_year_to_date_of_2024_are_files_of_their_own(
    telford: tuple[Any, list[dict[str, str]]],
) -> None:
    client, published = telford
    monday = MONDAY
    for name, period, identifier in (
        ("ees-2024-weekly", "2024", "Week 37"), ("ees-2024-ytd", "202425", "Academic year"),
    ):  # fmt: skip
        layout = LAYOUTS[name]
        made = list(rows(client, layout, Asked(monday, monday + timedelta(days=1))))
        assert {(row["time_period"], row["time_identifier"]) for row in made} == {(period, identifier)}
        assert set(published[0]) - set(layout.columns) == {"attendance_date"}
        assert {(row["geographic_level"], row["school_type"]) for row in made if row["school_type"] == "Total"} == {
            ("National", "Total"), ("Regional", "Total"),
        }  # fmt: skip
        assert {row["old_la_code"] for row in made} == {"894", "NA"}


def test_in_the_layouts_of_2024_what_is_withheld_is_c_and_so_are_schools_that_there_are(clickhouse: Any) -> None:
    """As City of London's primary school on 9 September 2024."""
    db_rows.code_map(clickhouse, {"/": "/"})
    db_rows.school(clickhouse, 100001)
    db_rows.roster(clickhouse, 100001, [db_rows.pupil(1)])
    db_rows.history(clickhouse, [db_rows.mark(1)])
    published = next(row for row in read(EES) if row["la_name"] == "City of London")
    made = rows(clickhouse, EES_2024, Asked(db_rows.DAY, db_rows.DAY))
    row = next(one for one in made if one["old_la_code"] == "330")
    assert {name for name, cell in row.items() if cell == "c"} == {
        name for name, cell in published.items() if cell == "c"
    }
    assert row["attendance_date"] == "2025-09-10"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Fraction(0), "0"), (Fraction(100), "100"), (Fraction(200, 3), "66.6666666666667"),
        (Fraction(493832444297758, 10**19), "4.93832444297758e-05"), (Fraction(1, 4), "0.25"),
    ],
)  # fmt: skip
def test_the_files_of_2024_have_fifteen_digits(value: Fraction, written: str) -> None:
    assert EES_2024.rate(value) == written

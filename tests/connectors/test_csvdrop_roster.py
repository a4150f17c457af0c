"""Rosters from CSV files: pupils, enrolments and groups, in one file or in three."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Pull
from connectors.encoding import days
from connectors.pupils import UpnKey
from tests.connectors.contract import UPN
from tests.connectors.drops import TAKEN, Drop, table

PUPILS = ("PersonID", "UPN", "Forename", "Date of Birth", "NC Year", "Reg Form", "Admission Date", "Leaving Date")


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


def roster(drop: Drop, acknowledge: bool = True) -> dict[str, Any] | None:
    async def ask() -> dict[str, Any] | None:
        made = drop.connector()
        (source,) = await made.discover()
        pull = Pull("p", source, datetime(2025, 11, 5, 12, tzinfo=UTC))
        found = None
        async for reference in made.reference(pull):
            found = dict(reference.record)
            if acknowledge:
                await made.acknowledged(pull, reference)
        return found

    return asyncio.run(ask())


def test_one_file_of_pupils_is_a_roster_without_a_name(drop: Drop) -> None:
    rows = [
        ("6420", UPN, "Nobody", "25/10/2013", "7", "7A", "03/09/2024", ""),
        ("6421", "", "Nobody", "", "Year 8", "", "03/09/2024", "19/12/2025"),
    ]
    drop.write("pupils.csv", table(PUPILS, *rows))
    found = roster(drop)
    assert found is not None
    first, second = found["pupils"]
    upn = UpnKey(b"a key that is only used in tests", "k1").reference(UPN)
    assert first == {
        "refs": [{"scheme": "csvdrop", "ref": "6420"}, {"scheme": upn.scheme, "ref": upn.ref}],
        "age_31_august": 11,
        "enrolments": [
            {
                "first_day": days(date(2024, 9, 3)),
                "last_day": None,
                "status": "main",
                "year_group": "7",
                "boarder": False,
                "part_time": False,
            }
        ],
        "groups": [{"group_id": "7A", "first_day": days(date(2024, 9, 3)), "last_day": None}],
    }
    assert second["enrolments"][0]["last_day"] == days(date(2025, 12, 19))
    assert second["groups"] == []
    assert "Nobody" not in str(found)


def test_where_a_pupil_lives_is_told_by_authority_alone_and_only_where_the_file_says_so(drop: Drop) -> None:
    headings = ("PersonID", "DOB", "Year Group", "Home LA Code")
    drop.write("pupils.csv", table(headings, ("1", "2013-10-25", "7", "893"), ("2", "2013-10-26", "7", "")))
    found = roster(drop)
    assert found is not None
    assert [pupil.get("residence_la_code") for pupil in found["pupils"]] == ["893", None]


def test_enrolments_and_groups_of_files_of_their_own_keep_their_dates(drop: Drop) -> None:
    drop.write(
        "pupils.csv", table(("PersonID", "DOB", "Year Group"), ("1", "2013-10-25", "7"), ("2", "2013-10-26", "7"))
    )
    enrolments = table(
        ("PersonID", "Start Date", "End Date", "Enrolment Status"),
        ("1", "2024-09-03", "2025-02-14", "C"),
        ("1", "2025-06-02", "", "S"),
        ("2", "2024-09-03", "", "G"),
    )
    drop.write("enrolments.csv", enrolments)
    groups = table(
        ("PersonID", "Group", "Start Date", "End Date"),
        ("1", "7A", "2024-09-03", "2024-12-31"),
        ("1", "7B", "2025-01-01", ""),
    )
    drop.write("groups.csv", groups)
    found = roster(drop)
    assert found is not None
    first, second = found["pupils"]
    assert [(one["first_day"], one["last_day"], one["status"]) for one in first["enrolments"]] == [
        (days(date(2024, 9, 3)), days(date(2025, 2, 14)), "main"),
        (days(date(2025, 6, 2)), None, "subsidiary"),
    ]
    assert {one["year_group"] for one in first["enrolments"]} == {"7"}
    assert [(one["group_id"], one["last_day"]) for one in first["groups"]] == [
        ("7A", days(date(2024, 12, 31))),
        ("7B", None),
    ]
    assert [one["status"] for one in second["enrolments"]] == ["guest"]


def test_a_roster_is_a_state_the_latest_file_of_each_kind_counts_taken_or_not(drop: Drop) -> None:
    drop.write("pupils.csv", table(("PersonID", "DOB"), ("1", "2013-10-25")))
    drop.write("groups.csv", table(("PersonID", "Group"), ("1", "7A")))
    roster(drop)
    assert (drop.files(), len(drop.files("done/pupils")), len(drop.files("done/groups"))) == ([], 1, 1)
    drop.write("groups.csv", table(("PersonID", "Group"), ("1", "7B")), TAKEN + timedelta(days=1))
    found = roster(drop)
    assert found is not None
    assert [group["group_id"] for group in found["pupils"][0]["groups"]] == ["7B"]
    drop.write("old.csv", table(("PersonID", "Group"), ("1", "7X")), TAKEN - timedelta(days=1))
    assert roster(drop) == found
    assert roster(drop) == found


def test_a_roster_that_kafka_did_not_take_stays_where_it_is(drop: Drop) -> None:
    drop.write("pupils.csv", table(("PersonID", "DOB"), ("1", "2013-10-25")))
    assert roster(drop, acknowledge=False) is not None
    assert drop.files() == ["pupils.csv"]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("1", "2013-10-25", "x"), ("", "2013-10-26", "")], "line 3: column PersonID: the pupil's id is missing"),
        ([("1", "25.10.13", "")], "line 2: column DOB: a date cannot be read"),
        ([("1", "2013-10-25")], "line 2: it has 2 columns, and the first line names 3"),
    ],
)
def test_a_roster_that_cannot_be_read_whole_changes_nothing_and_is_refused(
    drop: Drop, rows: list[tuple[str, ...]], why: str
) -> None:
    drop.write("good.csv", table(("PersonID", "DOB", "Forename"), ("1", "2013-10-25", "")), TAKEN - timedelta(days=1))
    before = roster(drop)
    drop.write("bad.csv", table(("PersonID", "DOB", "Forename"), *rows))
    assert roster(drop) is None
    _, _, bad = drop.read()
    assert len(bad) == 1
    assert why in drop.reason()
    assert roster(drop) == before, "and what stood before stands again"


def test_a_roster_of_nobody_is_an_export_that_failed(drop: Drop) -> None:
    drop.write("pupils.csv", table(PUPILS))
    assert roster(drop) is None


def test_a_pupil_who_has_a_upn_only_goes_by_it_in_roster_and_marks(drop: Drop) -> None:
    drop.write("pupils.csv", table(("UPN", "DOB"), (UPN, "2013-10-25")))
    drop.write("marks.csv", table(("UPN", "Date", "Session", "Mark"), (UPN.lower(), "2025-09-10", "AM", "/")))
    found = roster(drop)
    assert found is not None
    (mark,), _, _ = drop.read()
    assert {"scheme": mark["pupil_scheme"], "ref": mark["pupil_ref"]} in found["pupils"][0]["refs"]

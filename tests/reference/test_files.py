"""Calendars and timetables from files: what is published for which school, what is withheld, and what is refused."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.reference.calendar import School, calendars, read_calendars
from connectors.reference.timetable import read_timetables, timetables
from rollcall.cli.app import build
from rollcall.errors import UsageError
from rollcall.settings import Settings
from tests.reference.conftest import Publish, school
from tests.reference.test_gias import in_force

TAKEN = datetime(2025, 9, 1, tzinfo=UTC)
_urns = itertools.count(960_000, 10)
_HEAD = "level,code,kind,name,first_day,last_day\n"
_YEAR = _HEAD + "la,330,term,Autumn,2025-09-01,2025-12-19\nla,330,closure,half_term,2025-10-27,2025-10-31\n"
_TIMETABLE = "urn,group_id,session,opens_at,closes_at,valid_from,valid_to,weekdays,weeks,groups,period\n"


@pytest.fixture
def first_urn() -> int:
    return next(_urns)


def write(folder: Path, text: str, name: str = "file.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def stated(folder: Path, text: str, *schools: School) -> tuple[dict[Any, dict[str, Any]], set[int], list[str]]:
    table = read_calendars(write(folder, text))
    found = calendars(table, schools, TAKEN)
    return found.records, found.withheld, [str(one) for one in table.wrong]


def closures(record: dict[str, Any]) -> list[tuple[date, str]]:
    return [(one["first_day"], one["reason"]) for one in record["closures"]]


def test_the_most_specific_level_that_states_terms_states_the_year(tmp_path: Path) -> None:
    text = _YEAR + (
        "la,330,weeks,A;B,2025-09-01,\n"
        "school,1,closure,inset,2025-09-01,2025-09-01\n"
        "trust,T,term,Autumn,2025-09-04,2025-12-12\n"
        "trust,T,closure,half_term,2025-10-20,2025-10-31\n"
        "school,2,closure,inset,2025-11-03,2025-11-03\n"
        "school,9,term,Autumn,2025-09-02,2025-12-19\n"
    )
    plain, of_trust = School(1, "330", None, None), School(2, "330", "T", None)
    found, withheld, wrong = stated(tmp_path, text, plain, of_trust, School(3, "999", None, None))
    assert (withheld, wrong) == (set(), [])
    assert {urn for urn, _ in found} == {1, 2, 9}
    assert found[1, "2025/26"]["terms"] == [
        {"name": "Autumn", "first_day": date(2025, 9, 1), "last_day": date(2025, 12, 19)}
    ]
    assert closures(found[1, "2025/26"]) == [(date(2025, 9, 1), "inset"), (date(2025, 10, 27), "half_term")]
    assert found[2, "2025/26"]["terms"][0]["last_day"] == date(2025, 12, 12)
    assert closures(found[2, "2025/26"]) == [(date(2025, 10, 20), "half_term"), (date(2025, 11, 3), "inset")]
    assert found[2, "2025/26"]["week_cycle"] == [{"first_day": date(2025, 9, 1), "weeks": ["A", "B"]}]
    assert closures(found[9, "2025/26"]) == []


def test_a_school_that_closed_before_the_year_gets_no_default(tmp_path: Path) -> None:
    closed, closing = School(1, "330", None, date(2025, 8, 31)), School(2, "330", None, date(2026, 8, 31))
    assert {urn for urn, _ in stated(tmp_path, _YEAR, closed, closing)[0]} == {2}


def test_a_day_in_august_may_belong_to_the_year_that_begins(tmp_path: Path) -> None:
    text = "level,code,kind,name,first_day,last_day,academic_year\nschool,1,term,Autumn,2025-08-28,2025-12-19,2025/26\n"
    assert list(stated(tmp_path, text)[0]) == [(1, "2025/26")]
    assert list(stated(tmp_path, text.replace("2025/26", ""))[0]) == [(1, "2024/25")]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("city,330,term,Autumn,2025-09-01,2025-12-19", "line 4, level: 'city' is none of la, trust, school"),
        ("school,x,term,Autumn,2025-09-01,2025-12-19", "line 4, code: 'x' is no URN"),
        ("la,330,holiday,half_term,2025-10-27,2025-10-31", "line 4, kind: 'holiday' is none"),
        ("la,330,closure,snow,2025-10-27,2025-10-31", "line 4, name: 'snow' is none of half_term"),
        ("la,330,closure,inset,27/10/2025,2025-10-31", "line 4, first_day: '27/10/2025' is no date written 2025-09-10"),
        ("la,330,closure,inset,2025-10-31,2025-10-27", "line 4, last_day: 2025-10-27 is before first_day"),
        ("la,330,closure,inset,2025-10-31,", "line 4, last_day: is empty"),
        ("la,330,closure", "line 4: has 3 columns"),
    ],
)
def test_a_row_that_cannot_be_read_withholds_the_schools_it_is_about(tmp_path: Path, row: str, complaint: str) -> None:
    one, other = School(1, "330", None, None), School(2, "331", None, None)
    text = f"{_YEAR}{row}\nla,331,term,Autumn,2025-09-01,2025-12-19\n"
    found, withheld, wrong = stated(tmp_path, text, one, other)
    assert len(wrong) == 1
    assert wrong[0].startswith(complaint)
    placed = row.startswith("la,330,") and row.count(",") == 5
    assert withheld == ({1} if placed else {1, 2})
    assert {urn for urn, _ in found} == ({2} if placed else set())


def test_what_belongs_to_no_school_or_to_no_term_is_named(tmp_path: Path) -> None:
    text = _HEAD + "la,999,term,Autumn,2025-09-01,2025-12-19\nschool,1,closure,inset,2025-09-01,2025-09-01\n"
    found, _, wrong = stated(tmp_path, text)
    assert found == {}
    assert wrong == [
        "line 2, code: no school is known in la 999",
        "line 3, kind: nobody states a term of 2025/26 for school 1",
    ]


def test_a_timetable_is_read_with_weeks_groups_and_lessons(tmp_path: Path) -> None:
    text = _TIMETABLE + (
        "1,7A+7B,AM,08:45,09:15,2025-09-01,2025-12-19,1; 3 ;5,A,7A;7B,\n"
        "1,7A,AM,09:20,09:25,2025-09-01,,,,,P1\n"
        "2,R,PM,13:00,13:20,2025-09-01,,,,,\n"
    )
    found, withheld = timetables(read_timetables(write(tmp_path, text)), TAKEN)
    assert withheld == set()
    assert found[1]["registers"] == [
        {
            "group_id": "7A",
            "session": "AM",
            "opens_at": "09:20",
            "closes_at": "09:25",
            "valid_from": date(2025, 9, 1),
            "valid_to": None,
            "period": "P1",
            "weekdays": [1, 2, 3, 4, 5],
            "weeks": [],
            "groups": [],
        },
        {
            "group_id": "7A+7B",
            "session": "AM",
            "opens_at": "08:45",
            "closes_at": "09:15",
            "valid_from": date(2025, 9, 1),
            "valid_to": date(2025, 12, 19),
            "period": None,
            "weekdays": [1, 3, 5],
            "weeks": ["A"],
            "groups": ["7A", "7B"],
        },
    ]
    entries = [{**dict.fromkeys(_TIMETABLE.strip().split(",")), **found[2]["registers"][0], "urn": 2}]
    as_json = write(tmp_path, json.dumps(entries, default=str), "timetable.json")
    assert timetables(read_timetables(as_json), TAKEN)[0][2]["registers"] == found[2]["registers"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("x,7A,AM,08:45,09:15,2025-09-01,,,,,", "line 3, urn: 'x' is no URN"),
        ("1,,AM,08:45,09:15,2025-09-01,,,,,", "line 3, group_id: is empty"),
        ("1,7B,am,08:45,09:15,2025-09-01,,,,,", "line 3, session: 'am' is neither AM nor PM"),
        ("1,7B,AM,8:45,09:15,2025-09-01,,,,,", "line 3, opens_at: '8:45' is no time of day"),
        ("1,7B,AM,08:45,24:00,2025-09-01,,,,,", "line 3, closes_at: '24:00' is no time of day"),
        ("1,7B,AM,08:45,08:45,2025-09-01,,,,,", "line 3, closes_at: 08:45 is not after opens_at"),
        ("1,7B,AM,08:45,09:15,,,,,,", "line 3, valid_from: is empty"),
        ("1,7B,AM,08:45,09:15,2025-09-01,2025-08-01,,,,", "line 3, valid_to: 2025-08-01 is before valid_from"),
        ("1,7B,AM,08:45,09:15,2025-09-01,,Mon,,,", "line 3, weekdays: 'Mon' are no weekdays"),
        ("1,7A,AM,09:45,09:50,2025-09-01,,,,,", "line 3, group_id: the register of 7A stands there already"),
    ],
)
def test_a_school_with_a_row_that_cannot_be_read_keeps_its_version(tmp_path: Path, row: str, complaint: str) -> None:
    text = f"{_TIMETABLE}1,7A,AM,08:45,09:15,2025-09-01,,,,,\n{row}\n2,R,AM,08:45,09:15,2025-09-01,,,,,\n"
    table = read_timetables(write(tmp_path, text))
    found, withheld = timetables(table, TAKEN)
    assert len(table.wrong) == 1
    assert str(table.wrong[0]).startswith(complaint)
    if row.startswith("x"):
        assert (set(found), withheld) == (set(), {1, 2})
    else:
        assert (set(found), withheld) == ({2}, {1})


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for name, text, complaint in (
        ("a.csv", "urn,group_id\n1,7A\n", "must name the columns session"),
        ("a.json", "{", "is no JSON"),
        ("b.json", '{"urn": 1}', "an array of objects"),
        ("c.json", '[{"urn": 1}]', "entry 1: lacks group_id"),
    ):
        with pytest.raises(UsageError, match=complaint):
            read_timetables(write(tmp_path, text, name))


def test_the_commands_bring_a_year_and_its_registers_in_force_and_a_correction_as_a_new_version(
    settings: Settings,
    clickhouse: Any,
    publish: Publish,
    tmp_path: Path,
    first_urn: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    runner, la, urn = CliRunner(), f"L{first_urn}", first_urn
    publish("reference.school.v1", school(urn, la_code=la))
    publish("reference.school.v1", school(urn + 1, la_code=la))
    year = write(
        tmp_path,
        f"{_YEAR.replace('330', la)}la,{la},weeks,A;B,2025-09-01,\nschool,{urn},closure,inset,2025-09-01,2025-09-01\n",
        "year.csv",
    )
    registers = write(
        tmp_path,
        f"{_TIMETABLE}{urn},7A+7B,AM,08:45,09:15,2025-09-01,,,B,7A;7B,\n{urn},7A,AM,08:45,09:10,2025-09-01,,,A,,\n",
        "registers.csv",
    )

    def run(*command: str) -> dict[str, Any]:
        done = runner.invoke(build(), ["reference", "load", *command, "--json"])
        assert done.exit_code == 0, done.output
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    assert run("calendar", str(year))["published"] == 2
    assert run("timetable", str(registers))["published"] == 1
    assert (run("calendar", str(year))["unchanged"], run("timetable", str(registers))["unchanged"]) == (2, 1)
    in_force(settings)

    def asked(*known: str) -> dict[str, Any]:
        done = runner.invoke(build(), ["expected", "--school", str(urn), "--at", "2025-09-10 10:30", "--json", *known])
        assert done.stdout, done.output
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    before = asked()
    assert (before["week"], before["overdue"]) == ("B", 1)
    (one,) = before["registers"]
    assert (one["group_id"], one["groups"], one["closes_at_utc"]) == ("7A+7B", ["7A", "7B"], "2025-09-10T08:15:00Z")
    corrected_at = datetime.now(UTC).isoformat()
    registers.write_text(registers.read_text().replace("09:15", "09:30"))
    assert run("timetable", str(registers))["published"] == 1
    in_force(settings)
    assert asked()["registers"][0]["closes_at"] == "09:30"
    assert asked("--known-at", corrected_at) == before
    closed = runner.invoke(build(), ["expected", "--school", str(urn), "--at", "2025-09-01 10:30", "--json"])
    assert json.loads(closed.stdout)["why_closed"] == "INSET day"

"""What is odd about a school's day as a whole: each kind planted at one school, and a clean school beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain.codes import CODES
from rollcall.domain.quality import QUALITY
from rollcall.settings import Settings
from sinks.derive import rederive
from sinks.quality import kinds_found
from tests.sinks import rows

ODD, CLEAN = 100001, 100002
PUPILS = 30
#: 09:00 in London of rows.DAY; registers close at 09:15 and 13:30.
NINE = datetime(2025, 9, 10, 8, tzinfo=UTC)


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """Two schools of thirty pupils with registers of 7A, AM and PM, from Monday to Friday."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    for urn in (ODD, CLEAN):
        rows.school(clickhouse, urn)
        rows.roster(clickhouse, urn, [rows.pupil(urn * 100 + n) for n in range(PUPILS)])
        rows.timetable(clickhouse, urn)
        rows.calendar(clickhouse, urn)
    return clickhouse


def day(urn: int, codes: str = "/" * PUPILS, on: date = rows.DAY, **facts: Any) -> list[dict[str, Any]]:
    """Both registers of a day, taken in time, a code a pupil."""
    marks = []
    for session, hour in (("AM", 8), ("PM", 12)):
        said = datetime(on.year, on.month, on.day, hour, tzinfo=UTC)
        for n, code in enumerate(codes):
            told = {"asserted_at": said, "ingested_at": rows.ARRIVED, **facts}
            place = {"offset": on.toordinal() * 10 + hour, "item": n, "partition": urn - ODD}
            marks.append(rows.mark(urn * 100 + n, code, urn=urn, session=session, session_date=on, **place, **told))
    return marks


def found(client: Any, on: date = rows.DAY) -> dict[str, int]:
    """How many of each kind that is of a school's day."""
    return {one.kind: one.found for one in kinds_found(client, on) if one.of == "school"}


def listed(client: Any, name: str, columns: str, on: date = rows.DAY) -> list[tuple[Any, ...]]:
    """The rows of a quality view of a day, or of no date."""
    where = f"session_date IN ('{on}', '1970-01-01')"
    return list(client.query(f"SELECT {columns} FROM quality_{name} WHERE {where} ORDER BY ALL").result_rows)


def test_a_day_as_it_should_be_has_no_finding(db: Any) -> None:
    rows.history(db, day(ODD) + day(CLEAN, "/" * 27 + "ILB"))
    assert kinds_found(db, rows.DAY) == []


def test_coverage_is_found_under_95_per_cent_and_not_of_a_school_without_any_mark(db: Any) -> None:
    rows.history(db, day(ODD, "/" * 28) + day(CLEAN, "/" * 29))
    assert listed(db, "coverage", "urn, missing, marked, round(percent, 1)") == [(ODD, 4, 56, 93.3)]
    assert found(db) == {"coverage": 1}


def test_a_school_without_a_mark_on_a_school_day_is_silent(db: Any) -> None:
    rows.history(db, day(CLEAN) + day(ODD, on=date(2025, 9, 8)))
    assert listed(db, "silent_schools", "urn, sessions, last_marked") == [(ODD, 2, date(2025, 9, 8))]
    assert found(db) == {"silent_schools": 1}
    assert listed(db, "silent_schools", "urn", date(2025, 9, 13)) == [], "a Saturday is no school day"
    rows.history(db, day(ODD, "#" * PUPILS, batch=2))
    assert found(db) == {}, "a school that says it is closed is not silent"


def test_a_source_is_late_whose_first_mark_comes_an_hour_after_closing(db: Any) -> None:
    mis = {"source": "mis", "source_kind": "mis", "record_id": "r", "group_id": "", "session": "AM", "offset": 5}
    late = rows.mark(ODD * 100, asserted_at=NINE + timedelta(minutes=76), **mis)
    in_time = rows.mark(CLEAN * 100, urn=CLEAN, asserted_at=NINE + timedelta(minutes=75), **{**mis, "offset": 6})
    rows.history(db, [*day(ODD), *day(CLEAN), late, in_time])
    assert listed(db, "late_sources", "urn, session, source, closes_at, minutes_late") == [
        (ODD, "AM", "mis", "09:15", 61)
    ]
    assert found(db) == {"late_sources": 1}


def test_a_code_is_unmapped_until_a_map_knows_it(db: Any) -> None:
    rows.history(db, day(ODD, "/" * 28 + "99") + day(CLEAN))
    assert listed(db, "unmapped_codes", "urn, source, raw_code, marks") == [(ODD, "classroom", "9", 4)]
    assert found(db) == {"unmapped_codes": 1}
    rows.code_map(db, {**{code.code: code.code for code in CODES}, "9": "I"}, version=2)
    rederive(db)
    assert found(db) == {}


def test_ids_that_stand_for_several_things_are_found(db: Any) -> None:
    rows.history(db, day(ODD) + day(CLEAN))
    mis = {"source": "mis", "source_kind": "mis", "group_id": "", "asserted_at": NINE, "batch": 2}
    rows.history(
        db,
        [
            *(rows.mark(ODD * 100 + n, record_id="same", offset=90, item=n, **mis) for n in range(2)),
            *(rows.mark(CLEAN * 100, urn=CLEAN, record_id=f"r{n}", offset=91, item=n, **mis) for n in range(2)),
        ],
    )
    assert found(db) == {"duplicate_ids": 1}
    reused = [rows.receipt(ODD, "7A", submission_id="s", content=n, offset=100 + n) for n in range(2)]
    rows.insert(db, "register_receipt", [*reused, rows.receipt(CLEAN, "7A", submission_id="s", content=5)])
    known = {"pupil_id": 0, "ambiguous": True, "upn_shared": False, "updated_at": rows.TAKEN}
    named = [("mis", "5", True), ("upn", "k1:aa", True), ("mis", "6", False)]
    rows.insert(
        db,
        "crosswalk",
        [{"urn": ODD, "scheme": scheme, "ref": ref, **known, "ambiguous": twice} for scheme, ref, twice in named],
    )
    assert listed(db, "duplicate_ids", "urn, kind, source, ids") == [
        (ODD, "record_id", "mis", 1),
        (ODD, "reference", "mis", 1),
        (ODD, "submission_id", "classroom", 2),
        (ODD, "upn", "upn", 1),
    ]


def test_more_marks_than_roll_and_a_school_that_nobody_attended_are_impossible(db: Any) -> None:
    rows.history(db, day(ODD, "I" * PUPILS) + day(CLEAN, "I" * 19 + "/" + "I" * 10))
    assert listed(db, "impossible_totals", "urn, session, kind, marks") == [
        (ODD, "AM", "nobody_attended", PUPILS),
        (ODD, "PM", "nobody_attended", PUPILS),
    ]
    rows.history(db, day(CLEAN, "/" * 31, batch=2))
    assert listed(db, "impossible_totals", "urn, session, kind, marks")[2:] == [
        (CLEAN, "AM", "more_marks_than_roll", 31),
        (CLEAN, "PM", "more_marks_than_roll", 31),
    ]
    assert found(db)["impossible_totals"] == 4


def test_a_change_is_sudden_against_the_schools_own_weekday(db: Any) -> None:
    before = [rows.DAY + timedelta(weeks=n) for n in range(3)]
    today, other_weekday = rows.DAY + timedelta(weeks=3), rows.DAY + timedelta(weeks=3, days=1)
    usual = "/" * 27 + "III"
    marks = [mark for on in before for urn in (ODD, CLEAN) for mark in day(urn, usual, on=on)]
    rows.history(db, marks + day(ODD, "/" * 12 + "II", on=today) + day(CLEAN, "/" * 25 + "I" * 5, on=today))
    rows.history(db, day(ODD, "I" * PUPILS, on=other_weekday, batch=2))
    changes = listed(db, "sudden_changes", "urn, measure, round(value, 1), round(usual, 1), days", today)
    assert changes == [(ODD, "marks", 28.0, 60.0, 3)]
    assert listed(db, "sudden_changes", "urn", other_weekday) == [], "no such weekday to compare with"
    rows.history(db, day(ODD, "/" * 21 + "I" * 9, on=today, batch=3, ingested_at=rows.ARRIVED + timedelta(hours=1)))
    changes = listed(db, "sudden_changes", "urn, measure, round(value, 1), round(usual, 1), days", today)
    assert changes == [(ODD, "attendance", 70.0, 90.0, 3)]
    assert listed(db, "sudden_changes", "urn", before[2]) == [], "two earlier days are too few"


def test_every_kind_says_the_same_in_its_view_and_in_the_list(db: Any) -> None:
    comments = dict(
        db.query(
            "SELECT name, comment FROM system.tables"
            " WHERE database = currentDatabase() AND startsWith(name, 'quality_')"
        ).result_rows
    )
    wanted = {f"quality_{one.name}": f"{one.what} {one.when_it_matters} {one.how_to_resolve}" for one in QUALITY}
    assert comments == wanted


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `rollcall ...` against this test's database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    return lambda *arguments: CliRunner().invoke(build(), list(arguments))


def test_the_command_counts_findings_of_schools_marks_and_refusals(db: Any, run: Any) -> None:
    rows.history(db, day(ODD, "/" * 20 + "9", exceptions=["not_on_roll"]))
    place = {"topic": rows.REGISTER_TOPIC, "topic_id": rows.TOPIC_ID, "partition": 9, "offset": 1, "item": 0}
    refused = {"reason": "unknown_pupil", "urn": CLEAN, "session_date": rows.DAY, "ingested_at": rows.ARRIVED}
    rows.insert(db, "quarantine", [{**refused, **place}])
    document = json.loads(run("ask", "quality", "--date", "2025-09-10", "--json").stdout)
    assert document["session_date"] == "2025-09-10"
    counted = {(one["of"], one["kind"]): (one["found"], one["schools"]) for one in document["findings"]}
    assert counted == {
        ("school", "coverage"): (1, 1), ("school", "silent_schools"): (1, 1), ("school", "unmapped_codes"): (1, 1),
        ("accepted", "not_on_roll"): (42, 1), ("quarantined", "unknown_pupil"): (1, 1),
    }  # fmt: skip
    for one in document["findings"]:
        assert all(one[name].endswith(".") for name in ("what", "when_it_matters", "how_to_resolve")), one
    assert "silent_schools" in run("ask", "quality", "--date", "2025-09-10").stdout
    assert "Nothing odd" in run("ask", "quality", "--date", "2025-09-13").stdout

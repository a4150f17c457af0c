"""Weeks A and B, joint registers and timetable versions, where the views and the day's report use them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.domain.clock import OPEN_END
from rollcall.domain.codes import CODES
from sinks.migrate import Migration, committed, migrate
from sinks.reports import day_report
from tests.sinks import rows
from tests.sinks.migrated import filled_anew

URN = 100001


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """A school of two groups of two pupils; Wednesday 10 September 2025 is in week B."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    rows.school(clickhouse, URN)
    rows.roster(clickhouse, URN, [*(rows.pupil(n) for n in (1, 2)), *(rows.pupil(n, group="7B") for n in (3, 4))])
    rows.calendar(clickhouse, URN, cycle=(date(2025, 9, 1), ["A", "B"]))
    return clickhouse


def missing(client: Any, day: date = rows.DAY) -> list[tuple[Any, ...]]:
    found = client.query(
        f"SELECT session, group_id, pupils FROM registers_missing WHERE session_date = '{day}' ORDER BY ALL"
    )
    return [tuple(row) for row in found.result_rows]


def test_missing_registers_follow_the_week(db: Any) -> None:
    rows.registers(db, URN, {"weeks": ["A"]}, {"group_id": "7B", "weeks": ["B"]}, {"group_id": "7B", "session": "PM"})
    assert missing(db, date(2025, 9, 3)) == [("AM", "7A", 2), ("PM", "7B", 2)]
    assert missing(db) == [("AM", "7B", 2), ("PM", "7B", 2)]
    assert day_report(db, rows.DAY).total.missing_registers == 2
    rows.history(db, [rows.mark(3)])
    assert missing(db) == [("PM", "7B", 2)]


def test_the_same_register_has_other_times_in_another_week(db: Any) -> None:
    rows.registers(db, URN, {"weeks": ["A"]}, {"weeks": ["B"], "opens_at": "09:00", "closes_at": "09:30"})
    found = db.query(
        "SELECT session_date, opens_at, closes_at FROM registers_expected "
        "WHERE session_date IN ('2025-09-03', '2025-09-10') ORDER BY ALL"
    ).result_rows
    assert found == [(date(2025, 9, 3), "08:45", "09:15"), (date(2025, 9, 10), "09:00", "09:30")]


def test_a_joint_register_is_one_and_satisfies_both_groups(db: Any) -> None:
    rows.registers(db, URN, {"group_id": "joint", "groups": ["7A", "7B"]})
    assert missing(db) == [("AM", "joint", 4)]
    assert day_report(db, rows.DAY).total.missing_registers == 1
    rows.history(db, [rows.mark(1, group_id="joint"), rows.mark(3, group_id="joint")])
    assert missing(db) == []


def test_a_joint_register_of_which_one_group_has_nothing_is_missing(db: Any) -> None:
    rows.registers(db, URN, {"group_id": "joint", "groups": ["7A", "7B"]})
    rows.history(db, [rows.mark(1), rows.mark(2)])
    assert missing(db) == [("AM", "joint", 4)]


def test_a_joint_register_expects_the_marks_of_sixth_formers_of_its_groups_rule_15(db: Any) -> None:
    sixth = {"year_group": "12", "age_31_august": 16, "in_scope": False}
    later = rows.TAKEN + timedelta(days=1)
    rows.roster(db, URN, [rows.pupil(5, group="12A", **sixth), rows.pupil(6, group="12B", **sixth)], taken_at=later)
    rows.registers(db, URN, {"group_id": "12", "groups": ["12A"]})
    found = db.query(f"SELECT pupil_id FROM marks_missing WHERE session_date = '{rows.DAY}'").result_rows
    assert found == [(5,)]


def test_a_school_that_says_nothing_of_weeks_or_groups_is_as_before(db: Any) -> None:
    rows.school(db, 100002)
    rows.roster(db, 100002, [rows.pupil(11)])
    rows.calendar(db, 100002)
    rows.timetable(db, 100002)
    found = db.query(
        f"SELECT session, group_id, groups FROM registers_expected WHERE urn = 100002 AND session_date = '{rows.DAY}' "
        "ORDER BY ALL"
    ).result_rows
    assert found == [("AM", "7A", ["7A"]), ("PM", "7A", ["7A"])]
    assert db.query("SELECT count() FROM school_weeks WHERE urn = 100002").result_rows == [(0,)]


def test_a_database_that_has_timetables_already_keeps_them(clickhouse: Any, stack: Any) -> None:
    """Rows of the earlier shape, then the migration: it adds to the key of a table that holds rows."""
    earlier = [one for one in committed() if one.number < 9]
    name = f"{clickhouse.database}_earlier"
    try:
        migrate(clickhouse, name, [Migration(one.number, one.name, one.text, one.checksum) for one in earlier])
        there = {"urn": URN, "valid_from": date(2020, 9, 1), "valid_to": OPEN_END, "taken_at": rows.TAKEN}
        rows.insert(clickhouse, "school", [{**there, "name": "A school", "phase": "Primary", "state_funded": True}])
        year = {"urn": URN, "taken_at": rows.TAKEN, "academic_year": "2025/26", "name": "Autumn"}
        rows.insert(
            clickhouse, "calendar_term", [{**year, "first_day": date(2025, 9, 1), "last_day": date(2025, 12, 19)}]
        )
        lasting = {"valid_from": date(2025, 9, 1), "valid_to": OPEN_END, "weekdays": [1, 2, 3, 4, 5]}
        sessions = (("AM", "08:45", "09:15"), ("PM", "13:00", "13:30"))
        rows.insert(
            clickhouse,
            "expected_register",
            [
                {"urn": URN, "taken_at": rows.TAKEN, "group_id": "7A", "session": session, "period": "", **lasting}
                | {"opens_at": opens, "closes_at": closes}
                for session, opens, closes in sessions
            ],
        )
        rows.in_force(clickhouse, "register", URN)
        migrate(clickhouse, name)
        assert clickhouse.query("SELECT school_name, in_headline FROM schools").result_rows == [("A school", True)]
        query = f"SELECT session, groups FROM registers_expected WHERE session_date = '{rows.DAY}' ORDER BY ALL"
        assert clickhouse.query(query).result_rows == [("AM", ["7A"]), ("PM", ["7A"])]
    finally:
        clickhouse.command(f"DROP DATABASE IF EXISTS {name} SYNC", use_database=False)


def named_weeks(first: date, last: date, closed: set[date], cycles: list[tuple[date, list[str]]]) -> dict[date, str]:
    """The rule again, day by day in plain Python: Monday -> name."""
    mondays: dict[date, None] = {}
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        if day.isoweekday() <= 5 and day not in closed:
            mondays[day - timedelta(days=day.weekday())] = None
    names: dict[date, str] = {}
    begun: dict[date, int] = {}
    for monday in mondays:
        starts = {at - timedelta(days=at.weekday()): weeks for at, weeks in cycles}
        governing = [at for at in starts if at <= monday]
        if governing:
            begins = max(governing)
            names[monday] = starts[begins][begun.get(begins, 0) % len(starts[begins])]
            begun[begins] = begun.get(begins, 0) + 1
    return names


WEEKS = "SELECT * FROM school_week FINAL ORDER BY ALL"
autumn = st.integers(0, 110).map(lambda number: date(2025, 9, 1) + timedelta(days=number))
calendars = st.tuples(
    autumn,
    st.integers(0, 110),
    st.sets(autumn, max_size=40),
    st.lists(autumn, max_size=3, unique_by=lambda day: day - timedelta(days=day.weekday())).flatmap(
        lambda days: st.tuples(
            *(st.tuples(st.just(day), st.sampled_from(["A", "AB", "ABC"]).map(list)) for day in days)
        )
    ),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calendars, min_size=1, max_size=25))
def test_whatever_the_calendar_each_school_week_has_the_name_its_cycle_gives(clickhouse: Any, drawn: list[Any]) -> None:
    """... and a database with calendars that is migrated has the same weeks as one that loads them."""
    for table in ("calendar_term", "calendar_closure", "calendar_week", "school_week", "school_calendar"):
        clickhouse.command(f"TRUNCATE TABLE {table}")
    records, wanted, open_days = [], {}, set()
    for urn, (first, length, closed, cycle) in enumerate(drawn, 1):
        last = min(first + timedelta(days=length), date(2025, 12, 31))
        record = rows.calendar_of(urn, [("Autumn", first, last)], [(day, day) for day in sorted(closed)])
        record["week_cycle"] = [{"first_day": day, "weeks": names} for day, names in cycle]
        records.append(record)
        days = {first + timedelta(days=n) for n in range((last - first).days + 1)} - closed
        open_days |= {(day, urn) for day in days}
        wanted |= {(urn, monday): name for monday, name in named_weeks(first, last, closed, list(cycle)).items()}
    rows.calendars(clickhouse, records)
    found = clickhouse.query("SELECT urn, week_commencing, week FROM school_weeks").result_rows
    assert {(urn, monday): week for urn, monday, week in found} == wanted
    assert len(found) == len(wanted)
    opened = clickhouse.query("SELECT session_date, urn FROM open_days").result_rows
    assert set(opened) == open_days
    assert len(opened) == len(open_days)

    loaded = clickhouse.query(WEEKS).result_rows
    filled_anew(clickhouse, "school_week")
    assert clickhouse.query(WEEKS).result_rows == loaded

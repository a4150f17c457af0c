"""What the loader makes of reference data once: spans of schools, merged pupils, openings; held against plain Python.

Each time also against what a database that is migrated makes of the same versions (0050).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.domain.clock import OPEN_END
from rollcall.settings import Settings
from sinks import reference
from tests.reference.conftest import TAKEN, applied, calendar, pupil, roster, school
from tests.reference.test_loader import load
from tests.sinks.migrated import filled_anew

URN = 500_000
DAY = timedelta(days=1)
_FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def emptied(client: Any, *tables: str) -> None:
    for table in tables:
        client.command(f"TRUNCATE TABLE {table} SYNC")


# ---- schools

spans = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 4).map(lambda year: date(2018 + year, 9, 1)),
        st.none() | st.integers(0, 5).map(lambda year: date(2018 + year, 8, 31)),
        st.integers(0, 6).map(lambda hours: TAKEN + timedelta(hours=hours)),
        st.booleans(),
    ),
    min_size=1,
    max_size=9,
    unique_by=lambda said: (said[0], said[3]),
)


def standing(said: list[tuple[int, date, date | None, datetime, str]]) -> set[tuple[int, date, date, str]]:
    """Rule 12, day by day of the beginnings: the latest taken of those that begin on or before counts from there on."""
    found = set()
    for urn in {one[0] for one in said}:
        latest: dict[date, Any] = {}
        for one in sorted((one for one in said if one[0] == urn), key=lambda one: one[3]):
            latest = {begins: other for begins, other in latest.items() if begins < one[1]} | {one[1]: one}
        begins = sorted(latest)
        for at, following in zip(begins, [*begins[1:], None], strict=True):
            last = latest[at][2] or OPEN_END
            found.add((urn, at, last if following is None else min(last, following - DAY), latest[at][4]))
    return found


@_FEW
@given(spans)
def test_spans_of_schools_are_those_of_the_rule_in_whatever_order_they_come(clickhouse: Any, drawn: list[Any]) -> None:
    emptied(clickhouse, "school", "school_span", "school_life", "school_link", "reference_version")
    said, batch = [], []
    asked = "SELECT urn, valid_from, valid_to, school_name FROM schools"
    for number, (which, begins, ends, taken_at, more) in enumerate(drawn):
        said.append((URN + which, begins, ends, taken_at, f"name {number}"))
        facts = {"valid_from": begins, "valid_to": ends, "name": f"name {number}"}
        batch.append(applied("school", school(URN + which, taken_at, **facts)))
        if not more:
            reference.apply(clickhouse, batch)
            batch = []
            assert set(clickhouse.query(asked).result_rows) == standing(said)
    reference.apply(clickhouse, batch)
    found = clickhouse.query(asked).result_rows
    assert set(found) == standing(said)
    assert len(found) == len(set(found))
    everything = "SELECT * FROM schools ORDER BY urn, valid_from"
    loaded = clickhouse.query(everything).result_rows
    filled_anew(clickhouse, "school_span")
    assert clickhouse.query(everything).result_rows == loaded


# ---- merged pupils

PUPILS = range(1, 6)
aliases = st.lists(
    st.tuples(
        st.sampled_from(PUPILS),
        st.lists(
            st.tuples(st.sampled_from(PUPILS), st.sampled_from(["whole", "school", "source", "dated"])), max_size=2
        ),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
years = st.lists(
    st.tuples(st.sampled_from(PUPILS), st.integers(0, 3), st.integers(0, 1)), min_size=3, max_size=10, unique=True
)


def alias(one: int, entries: list[tuple[int, str]], hours: int) -> dict[str, Any]:
    return {
        "pupil_id": str(one), "published_at": TAKEN + timedelta(hours=hours), "author": "test", "reason": "test",
        "aliases": [
            {
                "to_pupil_id": str(to), "kind": "merge", "urn": URN if of == "school" else None,
                "source": "mis" if of == "source" else None,
                "first_day": date(2025, 9, 1) if of == "dated" else None, "last_day": None,
            }
            for to, of in entries
            if to != one
        ],
    }  # fmt: skip


def whole(said: dict[int, list[tuple[int, str]]]) -> dict[int, int]:
    """Whose marks all count for whom: no chains, and of two the greater number."""
    linked = {one for one, entries in said.items() if any(to != one for to, _ in entries)}
    wholes = (
        (one, max((to for to, of in entries if of == "whole" and to != one and to not in linked), default=0))
        for one, entries in said.items()
    )
    return {one: to for one, to in wholes if to}


@_FEW
@given(aliases, years)
def test_rolls_of_merged_pupils_are_those_of_the_rule(clickhouse: Any, drawn: list[Any], enrolled: list[Any]) -> None:
    emptied(
        clickhouse, "pupil_alias", "merged_pupil", "enrolment", "crosswalk", "group_membership", "reference_version"
    )
    pupils = [
        pupil(f"mis:{one}", first_day=date(2020 + year, 9, 1), last_day=date(2021 + year, 8, 31), boarder=bool(boards))
        for one, year, boards in enrolled
    ]
    reference.apply(clickhouse, [applied("roster", roster(URN, *pupils))])
    ids = {row["ref"]: row["pupil_id"] for row in reference.load_crosswalk(clickhouse).to_pylist()}
    numbers = {one: ids.get(str(one), one) for one in PUPILS}
    names = {number: one for one, number in numbers.items()}
    said: dict[int, list[tuple[int, str]]] = {}
    batch = []
    for hours, (one, entries, more) in enumerate(drawn):
        said[one] = entries
        message = alias(numbers[one], [(numbers[to], of) for to, of in entries], hours)
        batch.append(applied("pupil-alias", message))
        if not more:
            reference.apply(clickhouse, batch)
            batch = []
    reference.apply(clickhouse, batch)

    by_number = {numbers[one]: [(numbers[to], of) for to, of in entries] for one, entries in said.items()}
    merged = {names[one]: names[to] for one, to in whole(by_number).items()}
    spells: dict[int, set[int]] = {}
    for one, year, _ in enrolled:
        spells.setdefault(one, set()).add(year)
    wanted = {(one, year) for one, years in spells.items() for year in years if one not in merged}
    wanted |= {
        (merged[one], year)
        for one, years in spells.items()
        for year in years
        if one in merged and year not in spells.get(merged[one], ())
    }
    asked = "SELECT pupil_id, toYear(first_day) - 2020 FROM roll"

    def on_roll() -> set[tuple[int, int]]:
        return {(names[number], year) for number, year in clickhouse.query(asked).result_rows}

    assert on_roll() == wanted
    members = clickhouse.query("SELECT DISTINCT pupil_id FROM group_members").result_rows
    assert {names[number] for (number,) in members} == {merged.get(one, one) for one in spells}
    filled_anew(clickhouse, "merged_pupil")
    assert on_roll() == wanted


# ---- openings

registers = st.lists(
    st.tuples(
        st.sampled_from(["AM", "PM"]),
        st.sampled_from(["08:30", "08:45", "12:50"]),
        st.sets(st.integers(1, 7), min_size=1),
        st.sampled_from([[], ["A"], ["B"], ["A", "B"]]),
        st.sampled_from([(-30, 30), (-30, -1), (1, None), (0, 0), (None, None)]),
        st.booleans(),
    ),
    max_size=6,
)


@_FEW
@given(st.lists(registers, min_size=1, max_size=2), st.sampled_from([None, ["A"], ["A", "B"], ["B"]]))
def test_sessions_open_today_as_the_timetable_in_force_says(clickhouse: Any, drawn: list[Any], cycle: Any) -> None:
    kinds = ("expected_register", "school_opening", "school_week", "school_calendar", "calendar_term", "calendar_week")
    emptied(clickhouse, *kinds, "calendar_closure", "reference_version")
    (today,) = clickhouse.query("SELECT toDate(now('Europe/London'))").result_rows[0]
    monday = today - timedelta(days=today.weekday())

    def day(number: int | None) -> date | None:
        return None if number is None else today + timedelta(days=number)

    for version, entries in enumerate(drawn):
        said = [
            {
                "group_id": "5A", "session": session, "period": "1" if lesson else None, "opens_at": opens,
                "closes_at": "15:00", "weekdays": sorted(on), "valid_from": day(span[0]), "valid_to": day(span[1]),
                "groups": [], "weeks": weeks,
            }
            for session, opens, on, weeks, span, lesson in entries
        ]  # fmt: skip
        timetable = {"urn": URN, "taken_at": TAKEN + timedelta(hours=version), "registers": said}
        reference.apply(clickhouse, [applied("register", timetable)])
    if cycle is not None:
        term = {"name": "term", "first_day": monday, "last_day": monday + timedelta(days=13)}
        named = {"urn": URN, "academic_year": "this", "taken_at": TAKEN, "terms": [term], "closures": []}
        named["week_cycle"] = [{"first_day": monday, "weeks": cycle}]
        reference.apply(clickhouse, [applied("calendar", named)])

    wanted: dict[str, str] = {}
    for session, opens, on, weeks, (first, last), lesson in drawn[-1]:
        in_time = (first is None or first <= 0) and (last is None or last >= 0)
        if not lesson and in_time and today.isoweekday() in on and (not weeks or cycle is None or cycle[0] in weeks):
            wanted[session] = min(opens, wanted.get(session, opens))
    asked = "SELECT session, opens_at FROM session_openings"
    assert dict(clickhouse.query(asked).result_rows) == wanted
    for table in ("school_opening", "school_calendar"):
        filled_anew(clickhouse, table)
    assert dict(clickhouse.query(asked).result_rows) == wanted


# ---- a loader of before


def test_what_a_loader_of_an_earlier_version_took_in_is_made_when_the_next_one_starts(
    settings: Settings, clickhouse: Any, others_behind: None
) -> None:
    """`rollcall migrate`, then the processes: what came in between has rows in the tables of before only."""
    merged = {"pupil_id": "11", "published_at": TAKEN, "author": "test", "reason": "test"}
    merged["aliases"] = [alias(11, [(12, "whole")], 0)["aliases"][0]]
    register = {
        "group_id": "5A", "session": "AM", "period": None, "opens_at": "08:40", "closes_at": "09:10",
        "weekdays": [1, 2, 3, 4, 5, 6, 7], "valid_from": None, "valid_to": None,
    }  # fmt: skip
    timetable = {"urn": URN, "taken_at": TAKEN, "registers": [register]}
    asked = (
        "SELECT urn, school_name, used_until FROM schools",
        "SELECT * FROM session_openings",
        "SELECT count(), min(session_date) FROM open_days",
        "SELECT pupil_id, to_pupil_id FROM merged_pupil FINAL ORDER BY pupil_id",
    )
    reference.apply(
        clickhouse,
        [
            applied("school", school(URN)), applied("register", timetable), applied("calendar", calendar(URN)),
            applied("pupil-alias", merged),
        ],
    )  # fmt: skip
    wanted = [clickhouse.query(one).result_rows for one in asked]
    assert wanted[1] == [(URN, "AM", "08:40")]
    assert wanted[3] == [(11, 12), (12, 12)]
    emptied(clickhouse, "school_span", "school_opening", "school_calendar", "merged_pupil")
    assert not any(clickhouse.query(one).result_rows == rows for one, rows in zip(asked, wanted, strict=True))
    load(settings)
    assert [clickhouse.query(one).result_rows for one in asked] == wanted

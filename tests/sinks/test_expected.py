"""`rollcall expected`: what should have happened at a school, by which version, and what of it came."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain.clock import parse_local
from rollcall.errors import UsageError
from rollcall.settings import Settings
from sinks.expected import Day
from sinks.expected import expected as ask
from tests.sinks import rows

URN = 100001
PM = {"session": "PM", "opens_at": "13:00", "closes_at": "13:20"}


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """A school with two groups of two pupils, a term with an INSET day and half term, weeks A and B."""
    rows.school(clickhouse, URN)
    rows.roster(clickhouse, URN, [*(rows.pupil(n) for n in (1, 2)), *(rows.pupil(n, group="7B") for n in (3, 4))])
    rows.calendar(clickhouse, URN, closed=[date(2025, 9, 1)])
    return clickhouse


def at(client: Any, when: str, **how: Any) -> Day:
    return ask(client, URN, parse_local(when).instant, **how)


def seen(day: Day) -> list[tuple[str, str, str, str | None]]:
    return [(one.session, one.group_id, one.state, one.received_as) for one in day.registers]


def closings(day: Day) -> list[str]:
    return [one.as_json()["closes_at_utc"] for one in day.registers]


def test_rule_8_a_closing_time_is_london_s_in_summer_and_in_winter(db: Any) -> None:
    rows.registers(db, URN, {})
    assert closings(at(db, "2025-09-10 10:30")) == ["2025-09-10T08:15:00Z"]
    assert closings(at(db, "2025-11-03 10:30")) == ["2025-11-03T09:15:00Z"]
    assert [one.as_json()["closes_at"] for one in at(db, "2025-11-03 10:30").registers] == ["09:15"]


def test_the_times_in_force_on_the_day_count(db: Any) -> None:
    rows.registers(
        db,
        URN,
        {"valid_to": date(2025, 10, 31)},
        {"valid_from": date(2025, 11, 1), "opens_at": "09:00", "closes_at": "09:30"},
        {"group_id": "7B", "weekdays": [1, 2, 3, 4]},
        {"group_id": "7B", "weekdays": [5], "opens_at": "10:00", "closes_at": "10:20"},
    )
    assert closings(at(db, "2025-09-10 10:30")) == ["2025-09-10T08:15:00Z", "2025-09-10T08:15:00Z"]
    assert closings(at(db, "2025-11-03 10:30")) == ["2025-11-03T09:15:00Z", "2025-11-03T09:30:00Z"]
    assert closings(at(db, "2025-09-12 10:30")) == ["2025-09-12T08:15:00Z", "2025-09-12T09:20:00Z"]


def test_a_day_goes_from_not_open_to_open_to_overdue_or_received(db: Any) -> None:
    rows.registers(db, URN, {}, {"group_id": "7B"}, PM)
    rows.insert(db, "register_receipt", [rows.receipt(URN, "7A")])
    assert seen(at(db, "2025-09-10 08:44")) == [
        ("AM", "7A", "not_yet", "register"),
        ("AM", "7B", "not_yet", None),
        ("PM", "7A", "not_yet", None),
    ]
    assert [state for _, _, state, _ in seen(at(db, "2025-09-10 08:45"))] == ["open", "open", "not_yet"]
    closed = at(db, "2025-09-10 09:15")
    assert [state for _, _, state, _ in seen(closed)] == ["closed", "overdue", "not_yet"]
    assert closed.overdue == 1
    assert closed.registers[0].received_at == rows.ARRIVED


def test_nothing_is_overdue_before_its_time_has_come(db: Any) -> None:
    rows.calendar(db, URN, last=date(2049, 12, 31))
    rows.registers(db, URN, {"weekdays": [1, 2, 3, 4, 5, 6, 7]})
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).replace(hour=20)
    assert [one.state for one in ask(db, URN, tomorrow).registers] == ["not_yet"]


def test_cover_by_another_teacher_changes_nothing_about_what_is_expected(db: Any) -> None:
    rows.registers(db, URN, {})
    rows.insert(db, "register_receipt", [rows.receipt(URN, "7A", taken_by="cover-9")])
    assert seen(at(db, "2025-09-10 10:30")) == [("AM", "7A", "closed", "register")]


def test_a_register_that_was_refused_whole_has_not_come_and_an_empty_one_has(db: Any) -> None:
    rows.registers(db, URN, {}, {"group_id": "7B"})
    refused = rows.receipt(URN, "7A", accepted=0, quarantined=2)
    empty = rows.receipt(URN, "7B", marks=0, accepted=0, quarantined=0)
    rows.insert(db, "register_receipt", [refused])
    rows.insert(db, "register_receipt", [empty])
    assert [state for _, _, state, _ in seen(at(db, "2025-09-10 10:30"))] == ["overdue", "closed"]


def test_marks_pulled_from_an_mis_are_a_register_received(db: Any) -> None:
    rows.registers(db, URN, {}, {"group_id": "7B"})
    rows.history(db, [rows.mark(1, source="wonde", source_kind="mis", group_id=""), rows.mark(3, "-")])
    assert seen(at(db, "2025-09-10 10:30")) == [("AM", "7A", "closed", "marks"), ("AM", "7B", "overdue", None)]


def test_a_joint_register_answers_for_both_its_groups(db: Any) -> None:
    joint = {"group_id": "7A+7B", "groups": ["7A", "7B"]}
    rows.registers(db, URN, joint)
    assert at(db, "2025-09-10 10:30").registers[0].groups == ("7A", "7B")
    rows.history(db, [rows.mark(1)])
    assert at(db, "2025-09-10 10:30").overdue == 1, "7B has nothing yet"
    rows.history(db, [rows.mark(3, offset=20)])
    assert seen(at(db, "2025-09-10 10:30")) == [("AM", "7A+7B", "closed", "marks")]
    rows.insert(db, "register_receipt", [rows.receipt(URN, "7A+7B")])
    assert seen(at(db, "2025-09-10 10:30")) == [("AM", "7A+7B", "closed", "register")]


def test_two_registers_of_its_groups_are_a_joint_register_too(db: Any) -> None:
    rows.registers(db, URN, {"group_id": "7A+7B", "groups": ["7A", "7B"]})
    rows.insert(db, "register_receipt", [rows.receipt(URN, "7A")])
    assert at(db, "2025-09-10 10:30").overdue == 1
    rows.insert(db, "register_receipt", [rows.receipt(URN, "7B")])
    assert seen(at(db, "2025-09-10 10:30")) == [("AM", "7A+7B", "closed", "register")]


def test_one_half_of_a_split_group_says_nothing_of_the_other(db: Any) -> None:
    rows.registers(db, URN, {"group_id": "7A/1", "groups": ["7A"]}, {"group_id": "7A/2", "groups": ["7A"]})
    rows.insert(db, "register_receipt", [rows.receipt(URN, "7A/1")])
    rows.history(db, [rows.mark(1)])
    assert seen(at(db, "2025-09-10 10:30")) == [("AM", "7A/1", "closed", "register"), ("AM", "7A/2", "overdue", None)]
    rows.history(db, [rows.mark(2, offset=20)])
    assert at(db, "2025-09-10 10:30").overdue == 0, "every pupil has a mark"


def test_lessons_are_asked_for_rule_7(db: Any) -> None:
    rows.registers(db, URN, {}, {"period": "P1", "opens_at": "09:30", "closes_at": "09:45"})
    rows.history(db, [rows.mark(1, period="P1")])
    assert seen(at(db, "2025-09-10 10:30")) == [("AM", "7A", "overdue", None)]
    both = at(db, "2025-09-10 10:30", lessons=True)
    assert [(one.period, one.state) for one in both.registers] == [("", "overdue"), ("P1", "closed")]


def test_weeks_a_and_b_by_the_school_s_own_calendar(db: Any) -> None:
    """The week of 1 September is A. Half term takes no name, so that the week after it is what it would have been."""
    half_term = [date(2025, 10, 27) + timedelta(days=n) for n in range(5)]
    rows.calendar(db, URN, closed=[date(2025, 9, 1), *half_term], cycle=(date(2025, 9, 3), ["A", "B"]))
    rows.registers(db, URN, {"weeks": ["A"]}, {"group_id": "7B", "weeks": ["B"], "closes_at": "09:30"})
    found = {}
    for when in ("2025-09-05", "2025-09-10", "2025-10-24", "2025-10-28", "2025-11-03"):
        day = at(db, f"{when} 10:30")
        found[when] = (day.week, [one.group_id for one in day.registers])
    assert found == {
        "2025-09-05": ("A", ["7A"]),
        "2025-09-10": ("B", ["7B"]),
        "2025-10-24": ("B", ["7B"]),
        "2025-10-28": (None, []),
        "2025-11-03": ("A", ["7A"]),
    }


def test_a_week_that_nobody_names_expects_the_registers_of_all_weeks(db: Any) -> None:
    rows.registers(db, URN, {"weeks": ["A"]}, {"group_id": "7B", "weeks": ["B"]})
    day = at(db, "2025-09-10 10:30")
    assert (day.week, [one.group_id for one in day.registers]) == (None, ["7A", "7B"])


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("2025-09-01 10:00", "INSET day"),
        ("2025-09-13 10:00", "weekend"),
        ("2025-08-28 10:00", "outside its terms"),
        ("2019-09-10 10:00", "the school had not opened yet, or had closed"),
    ],
)
def test_a_day_on_which_it_is_closed_says_why(db: Any, when: str, why: str) -> None:
    rows.registers(db, URN, {})
    day = at(db, when)
    assert (day.is_open, day.why_closed, day.registers) == (False, why, ())


def test_a_school_that_teaches_on_saturday_is_open_then(db: Any) -> None:
    rows.registers(db, URN, {"weekdays": [6]})
    assert at(db, "2025-09-13 10:00").overdue == 1


def test_without_calendar_or_timetable_nothing_is_guessed(clickhouse: Any) -> None:
    rows.school(clickhouse, URN)
    assert at(clickhouse, "2025-09-10 10:00").why_closed == "no calendar of the school is known"
    rows.calendar(clickhouse, URN)
    day = at(clickhouse, "2025-09-10 10:00")
    assert (day.is_open, day.timetable_taken_at, day.registers) == (True, None, ())
    with pytest.raises(UsageError, match="school 999999 is not known"):
        ask(clickhouse, 999_999, datetime(2025, 9, 10, tzinfo=UTC))


def test_rule_9_a_correction_of_the_past_is_a_version_and_what_was_known_before_stays_answered(db: Any) -> None:
    first, second = datetime(2025, 9, 2, 6, tzinfo=UTC), datetime(2025, 9, 20, 6, tzinfo=UTC)
    rows.registers(db, URN, {}, known_from=first)
    corrected = {"closes_at": "09:30"}
    rows.registers(db, URN, corrected, taken_at=rows.TAKEN + timedelta(days=30), known_from=second)
    # An older version that came last was never in force.
    old = {"closes_at": "08:50"}
    rows.registers(db, URN, old, taken_at=rows.TAKEN - timedelta(days=9), known_from=second + timedelta(days=1))
    day = "2025-09-10 10:30"
    assert closings(at(db, day)) == ["2025-09-10T08:30:00Z"]
    for moment in (first, second - timedelta(microseconds=1)):
        assert closings(at(db, day, known_at=moment)) == ["2025-09-10T08:15:00Z"]
    assert closings(at(db, day, known_at=second)) == ["2025-09-10T08:30:00Z"]
    assert at(db, day, known_at=first - timedelta(seconds=1)).registers == ()
    assert at(db, day).timetable_taken_at == rows.TAKEN + timedelta(days=30)


def test_as_known_before_it_came_a_register_had_not_come(db: Any) -> None:
    rows.registers(db, URN, {}, {"group_id": "7B"}, known_from=datetime(2025, 9, 2, 6, tzinfo=UTC))
    rows.insert(db, "register_receipt", [rows.receipt(URN, "7A")])
    rows.history(db, [rows.mark(3)])
    before = at(db, "2025-09-10 10:30", known_at=rows.ARRIVED - timedelta(milliseconds=1))
    assert before.overdue == 2
    assert at(db, "2025-09-10 10:30", known_at=rows.ARRIVED).overdue == 0


def test_the_command_prints_it_and_leaves_with_1_when_something_is_overdue(
    db: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.registers(db, URN, {}, {"group_id": "7A+7B", "groups": ["7A", "7B"], **PM})
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    runner, command = CliRunner(), ["expected", "--school", str(URN), "--at", "2025-09-10 10:30"]
    late = runner.invoke(build(), [*command, "--json"])
    assert late.exit_code == 1, late.output
    said = json.loads(late.stdout)
    assert {name: said[name] for name in ("date", "at_utc", "open", "why_closed", "week", "overdue")} == {
        "date": "2025-09-10",
        "at_utc": "2025-09-10T09:30:00Z",
        "open": True,
        "why_closed": None,
        "week": None,
        "overdue": 1,
    }
    assert said["registers"][1] == {
        "session": "PM",
        "period": None,
        "group_id": "7A+7B",
        "groups": ["7A", "7B"],
        "opens_at": "13:00",
        "opens_at_utc": "2025-09-10T12:00:00Z",
        "closes_at": "13:20",
        "closes_at_utc": "2025-09-10T12:20:00Z",
        "state": "not_yet",
        "received_at": None,
        "received_as": None,
    }
    shown = runner.invoke(build(), command)
    assert "OVERDUE" in shown.stdout
    assert "09:15 (08:15 UTC)" in shown.stdout
    assert "2 expected, 0 received, 1 overdue" in shown.stdout
    rows.insert(db, "register_receipt", [rows.receipt(URN, "7A")])
    assert runner.invoke(build(), command).exit_code == 0
    closed = runner.invoke(build(), ["expected", "--school", str(URN), "--at", "2025-09-13 10:30"])
    assert (closed.exit_code, "Not open: weekend." in closed.stdout) == (0, True)


@pytest.mark.parametrize("when", ["yesterday", "2025-09-10", "2025-09-10 25:00"])
def test_an_instant_that_is_none_is_usage(when: str) -> None:
    done = CliRunner().invoke(build(), ["expected", "--school", "1", "--at", when])
    assert isinstance(done.exception, UsageError)

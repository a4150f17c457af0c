"""The questions of `rollcall ask`, over days that can be counted by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rollcall.cli.app import build
from rollcall.domain.codes import CODES
from rollcall.errors import UsageError
from rollcall.settings import Settings
from sinks.amendment_windows import in_force
from sinks.questions import Asked, answer
from tests.sinks import rows

URN, OTHER = 100001, 100002
#: Wednesday to Wednesday; the school is closed on the Monday between.
WEDNESDAY, FRIDAY, MONDAY, NEXT = date(2025, 9, 10), date(2025, 9, 12), date(2025, 9, 15), date(2025, 9, 17)
AMENDED = {
    "amended_from": "N",
    "amend_reason": "late-note",
    "amend_evidence": "message",
    "amended_position": "attendance",
}


@pytest.fixture
def week(clickhouse: Any) -> Any:
    """Two schools with 7A and 7B; the first is closed on Monday 15 September."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    for urn, name, closed in ((URN, "Low Primary", [MONDAY]), (OTHER, "High Primary", [])):
        rows.school(clickhouse, urn, name=name)
        rows.roster(clickhouse, urn, [rows.pupil(urn * 10 + n, group="7A" if n < 3 else "7B") for n in range(5)])
        rows.timetable(clickhouse, urn, groups=("7A", "7B"))
        rows.calendar(clickhouse, urn, closed=closed)
    return clickhouse


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `rollcall ...` against this test's database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(settings.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", settings.clickhouse.database)
    return lambda *arguments: CliRunner().invoke(build(), list(arguments))


def ask(
    client: Any, question: str, first: date = WEDNESDAY, last: date = WEDNESDAY, **more: Any
) -> list[dict[str, Any]]:
    return answer(client, question, Asked(first, last, more.pop("today", NEXT), **more))


def only(found: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in found]


def test_unmarked_names_the_registers_none_of_whose_pupils_has_a_mark(week: Any) -> None:
    rows.history(week, [rows.mark(URN * 10 + n) for n in (0, 3)] + [rows.mark(OTHER * 10, urn=OTHER)])
    found = ask(week, "unmarked")
    assert set(only(found, "urn", "session", "group", "pupils")) == {
        (URN, "PM", "7A", 3), (URN, "PM", "7B", 2),
        (OTHER, "AM", "7B", 2), (OTHER, "PM", "7A", 3), (OTHER, "PM", "7B", 2),
    }  # fmt: skip
    assert set(only(ask(week, "unmarked", urns=(URN,)), "urn")) == {(URN,)}


def test_conflicts_are_counted_by_group_and_by_what_lost(week: Any) -> None:
    mis = {"source": "mis", "source_kind": "mis", "group_id": "", "offset": 900}
    rows.history(
        week,
        [
            *(rows.mark(URN * 10 + n, "/") for n in range(4)),
            *(rows.mark(URN * 10 + n, "I", record_id=f"r{n}", item=n, **mis) for n in (0, 1)),
            rows.mark(URN * 10 + 2, "N", record_id="r2", item=2, **mis),
            rows.mark(URN * 10 + 3, "I", record_id="r3", item=3, **mis),
            rows.mark(URN * 10 + 4, "/", record_id="r4", item=4, **mis),
        ],
    )
    found = ask(week, "conflicts")
    assert only(found, "group", "counts", "code", "loses", "lost_code", "rule", "pupils") == [
        ("7A", "classroom", "/", "mis", "N", "definite_code", 1),
        ("7A", "mis", "I", "classroom", "/", "mis_before_register", 2),
        ("7B", "mis", "I", "classroom", "/", "mis_before_register", 1),
    ]
    assert "pupil_id" not in found[0]


def test_amendments_are_late_by_the_schools_own_school_days(week: Any) -> None:
    def amended(urn: int, days: int, offset: int) -> dict[str, Any]:
        at = datetime(2025, 9, 10, 12, tzinfo=UTC) + timedelta(days=days)
        return rows.mark(urn * 10, "I", urn=urn, offset=offset, amended_at=at, **AMENDED)

    # Thursday, Friday, (Monday closed at the first school), Tuesday, Wednesday: 4 and 5 school days.
    rows.history(week, [amended(URN, 7, 1), amended(OTHER, 7, 2), amended(OTHER, 0, 3)])
    assert only(ask(week, "amendments", window=3), "urn", "was", "code", "school_days", "marks") == [
        (OTHER, "N", "I", 5, 1),
        (URN, "N", "I", 4, 1),
    ]
    assert only(ask(week, "amendments", window=4), "urn", "school_days") == [(OTHER, 5)]
    assert ask(week, "amendments", window=5) == []


def test_the_window_is_the_schools_own_on_that_date_then_that_of_every_school_then_five(
    week: Any, run: Any, tmp_path: Path
) -> None:
    at = datetime(2025, 9, 17, 12, tzinfo=UTC)
    rows.history(week, [rows.mark(urn * 10, "I", urn=urn, amended_at=at, **AMENDED) for urn in (URN, OTHER)])

    def load(*lines: str) -> str:
        file = tmp_path / "windows.csv"
        file.write_text("\n".join(["urn,school_days,valid_from,valid_to", *lines]), encoding="utf-8")
        return str(run("reference", "load", "amendment-windows", str(file)).stdout)

    def late(**asked: Any) -> list[tuple[Any, ...]]:
        return only(ask(week, "amendments", **asked), "urn", "school_days", "window")

    assert late() == [], "4 and 5 school days, and 5 are allowed"
    assert "2 published" in load("*,4,2025-09-01,", f"{URN},3,2025-09-01,2025-09-30", f"{URN},9,2025-10-01,")
    assert late() == [(OTHER, 5, 4), (URN, 4, 3)]
    assert late(window=5) == []
    assert "2 unchanged" in load(f"{URN},9,2025-10-01,", "*,4,2025-09-01,", f"{URN},3,2025-09-01,2025-09-30")
    assert "1 published" in load("*,4,2025-09-11,")
    assert late() == [], "the whole file is the version; no window holds for the tenth"
    assert [one.urn for one in in_force(week)] == [0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("x,5,2025-09-01", "urn: 'x' is no URN"),
        ("1,-1,2025-09-01", "school_days: '-1' is no number"),
        ("1,191,2025-09-01", "school_days: 191 are more than"),
        ("1,5,September", "valid_from: 'September' is no date"),
        ("*,5,2025-10-01", "valid_from: 2025-10-01 has a window"),
    ],
)
def test_windows_with_a_row_that_cannot_be_read_come_not_in_force(
    week: Any, run: Any, tmp_path: Path, line: str, said: str
) -> None:
    file = tmp_path / "windows.csv"
    file.write_text(f"urn,school_days,valid_from\n*,3,2025-09-01\n{line}\n", encoding="utf-8")
    result = run("reference", "load", "amendment-windows", str(file))
    assert result.exit_code == 1
    assert f"line 3, {said}" in result.stderr
    assert in_force(week) == []


def test_an_n_is_unexplained_after_the_window_and_not_once_it_was_resolved(week: Any) -> None:
    rows.history(week, [rows.mark(URN * 10 + n, "N") for n in (0, 1)] + [rows.mark(OTHER * 10, "N", urn=OTHER)])
    rows.history(week, [rows.mark(URN * 10, "I", offset=99, asserted_at=datetime(2025, 9, 11, 9, tzinfo=UTC), batch=2)])
    assert only(ask(week, "unexplained", window=3), "urn", "session", "school_days", "marks") == [
        (OTHER, "AM", 5, 1),
        (URN, "AM", 4, 1),
    ]
    assert only(ask(week, "unexplained", window=4), "urn") == [(OTHER,)]
    assert ask(week, "unexplained", window=3, today=FRIDAY) == []


def test_a_group_is_late_when_most_of_its_registers_came_after_closing(week: Any) -> None:
    """Closing is 09:15 in London, 08:15 UTC in September; a second submission makes no register late."""
    days = [date(2025, 9, d) for d in (9, 10, 11)]

    def came(day: date, group: str, minutes: int) -> dict[str, Any]:
        at = datetime(day.year, day.month, day.day, 8, 15, tzinfo=UTC) + timedelta(minutes=minutes)
        return rows.receipt(URN, group, session_date=day, asserted_at=at)

    receipts = [came(day, "7A", late) for day, late in zip(days, (10, -5, 25), strict=True)]
    receipts += [came(day, "7B", late) for day, late in zip(days, (-10, -5, 40), strict=True)]
    receipts += [came(days[1], "7A", 90)]
    rows.insert(week, "register_receipt", receipts)
    found = ask(week, "late", first=days[0], last=days[2])
    assert only(found, "group", "session", "registers", "late", "minutes_most") == [("7A", "AM", 3, 2, 25)]
    assert found[0]["minutes_median"] in (10, 25)
    assert ask(week, "late", first=days[0], last=days[2], least=4) == []
    assert {row["group"] for row in ask(week, "late", first=days[0], last=days[2], percent=30)} == {"7A", "7B"}


def test_the_command_prints_a_table_or_a_document(week: Any, run: Any) -> None:
    rows.history(week, [rows.mark(URN * 10)])
    arguments = ["ask", "unmarked", "--from", "2025-09-10", "--school", str(URN)]
    assert "Low Primary" in run(*arguments).stdout
    document = json.loads(run(*arguments, "--json").stdout)
    assert document["question"] == "unmarked"
    assert document["answer"][0]["session_date"] == "2025-09-10"
    assert "None." in run("ask", "conflicts", "--from", "2025-09-10").stdout


def test_days_that_are_none_or_the_wrong_way_round_are_the_users_mistake() -> None:
    for arguments in (["--from", "Monday"], ["--from", "2025-09-10", "--to", "2025-09-09"]):
        result = CliRunner().invoke(build(), ["ask", "late", *arguments])
        assert isinstance(result.exception, UsageError)

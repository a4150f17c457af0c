"""`rollcall verify`: the current state is what the history says, and a row that is not is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollcall.domain.codes import CODES
from sinks.verify import Difference, Verification, repair, verify
from tests.sinks import rows

URN = 100001


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """Two sources of one class that disagree, a withdrawn mark, an amended one and a deleted record."""
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    rows.history(clickhouse, [rows.mark(n) for n in (1, 2, 3)])
    later: dict[str, Any] = {"asserted_at": datetime(2025, 9, 10, 9, tzinfo=UTC), "batch": 2}
    later["ingested_at"] = rows.ARRIVED + timedelta(hours=1)
    mis: dict[str, Any] = {"source": "wonde", "source_kind": "mis", "partition": 1, "group_id": ""}
    rows.history(
        clickhouse,
        [
            rows.mark(1, "I", record_id="r1", **mis, **later),
            rows.mark(2, "-", offset=20, **later),
            rows.mark(3, "L", offset=30, **later),
            rows.mark(4, "/", record_id="r4", **mis, **later),
            rows.mark(5, "O", period="P3", **later),
        ],
    )
    gone: dict[str, Any] = {**later, "asserted_at": datetime(2025, 9, 10, 12, tzinfo=UTC), "batch": 3}
    rows.history(clickhouse, [rows.mark(4, "/", record_id="r4", deleted=True, offset=40, **mis, **gone)])
    return clickhouse


def found(client: Any) -> set[tuple[str, str, str]]:
    return {(one.table, one.kind, one.session) for one in checked(client).differences}


def checked(client: Any) -> Verification:
    return verify(client, tries=1)


def test_what_derive_made_is_equal(db: Any) -> None:
    result = checked(db)
    assert result.differences == []
    assert dict(result.compared) == {"mark_assertion": 5, "mark_current": 4, "school_session": 2, "period_current": 1}
    assert result.as_json()["equal"] is True


def test_a_mark_of_the_history_that_never_reached_the_current_state_is_missing(db: Any) -> None:
    rows.history(db, [rows.mark(9, session="PM", batch=9)], derived=False)
    assert checked(db).differences == [
        Difference("mark_current", "missing", rows.DAY, URN, "PM", 1),
        Difference("school_session", "missing", rows.DAY, URN, "PM", 1),
    ]


def test_a_lost_assertion_is_missing(db: Any) -> None:
    db.command("DELETE FROM mark_assertion WHERE pupil_id = 3")
    assert found(db) == {("mark_assertion", "missing", "AM")}


def test_a_current_mark_that_no_history_has_is_surplus(db: Any) -> None:
    db.command("DELETE FROM mark_event WHERE pupil_id = 1")
    assert found(db) == {
        ("mark_assertion", "surplus", "AM"),
        ("mark_current", "surplus", "AM"),
        ("school_session", "surplus", "AM"),
    }


def test_a_current_mark_that_says_something_else_differs(db: Any) -> None:
    db.command(
        "INSERT INTO mark_current SELECT * REPLACE ('N' AS canonical_code, derived_version + 1 AS derived_version) "
        "FROM mark_current FINAL WHERE pupil_id = 1"
    )
    assert found(db) == {("mark_current", "differs", "AM")}


def test_a_wrong_count_differs(db: Any) -> None:
    db.command(
        "INSERT INTO school_session SELECT * REPLACE (7 AS marks, derived_version + 1 AS derived_version) "
        "FROM school_session FINAL WHERE canonical_code = 'I'"
    )
    assert found(db) == {("school_session", "differs", "AM")}


def test_a_publication_that_was_not_derived_yet_differs(db: Any) -> None:
    rows.code_map(db, {**{code.code: code.code for code in CODES}, "L": "U"}, version=2)
    assert found(db) == {
        ("mark_current", "differs", "AM"),
        ("school_session", "missing", "AM"),
        ("school_session", "surplus", "AM"),
    }


def test_one_day_is_compared_alone(db: Any) -> None:
    other = rows.DAY + timedelta(days=1)
    rows.history(db, [rows.mark(9, session_date=other, batch=9)], derived=False)
    assert verify(db, rows.DAY, tries=1).equal
    assert not verify(db, other, tries=1).equal


def test_a_slice_that_comes_right_in_the_meantime_is_equal(db: Any) -> None:
    """A worker derives between the first look and the second."""
    from sinks.derive import derive

    rows.history(db, [rows.mark(9, batch=9)], derived=False)
    derived: list[int] = []

    class Meanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(db, name)

        def query(self, text: str, **kwargs: Any) -> Any:
            answer = db.query(text, **kwargs)
            if "Where school_session is not" in text and not derived:
                derived.append(9)
                derive(db, [9])
            return answer

    assert verify(Meanwhile(), tries=2, pause=0).equal  # type: ignore[arg-type]
    assert derived == [9]


def test_a_day_cut_into_slices_is_whole(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows.history(db, [rows.mark(n, urn=100000 + n, batch=9) for n in range(20, 26)])
    rows.history(db, [rows.mark(30, urn=100050, batch=10)], derived=False)
    monkeypatch.setattr("sinks.slices._SLICE", 2)
    result = checked(db)
    assert dict(result.compared) == {"mark_assertion": 12, "mark_current": 10, "school_session": 8, "period_current": 1}
    assert {(one.table, one.urn) for one in result.differences} == {
        ("mark_current", 100050),
        ("school_session", 100050),
    }


def test_days_compared_together_are_told_apart(db: Any) -> None:
    days = [rows.DAY + timedelta(days=n) for n in (1, 2, 5)]
    for place, day in enumerate(days):
        rows.history(db, [rows.mark(n, session_date=day, batch=20 + place) for n in range(1, 4)], derived=place != 1)
    seen: list[tuple[Any, int, int]] = []
    result = verify(db, on_day=lambda day, done, all_days: seen.append((day, done, all_days)), tries=1)
    assert seen == [(rows.DAY, 0, 4)]
    assert dict(result.compared) == {"mark_assertion": 14, "mark_current": 10, "school_session": 4, "period_current": 1}
    assert {(one.table, one.kind, one.session_date) for one in result.differences} == {
        ("mark_current", "missing", days[1]),
        ("school_session", "missing", days[1]),
    }


def test_days_too_many_to_be_compared_at_once_are_cut_between_days(db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [rows.DAY + timedelta(days=n) for n in range(1, 5)]
    for place, day in enumerate(days):
        rows.history(db, [rows.mark(n, session_date=day, batch=20 + place) for n in range(1, 3)])
    monkeypatch.setattr("sinks.slices._SLICE", 5)
    seen: list[tuple[Any, int, int]] = []
    result = verify(db, on_day=lambda day, done, all_days: seen.append((day, done, all_days)), tries=1)
    assert result.equal
    assert dict(result.compared) == {"mark_assertion": 13, "mark_current": 12, "school_session": 6, "period_current": 1}
    # The first day holds more than a slice; it has one school, so it is compared whole.
    assert seen == [(rows.DAY, 0, 5), (days[0], 1, 5), (days[2], 3, 5)]


def test_repair_makes_again_what_was_lost(db: Any) -> None:
    for table in ("mark_assertion", "mark_current"):
        db.command(f"DELETE FROM {table} WHERE pupil_id = 3")
    db.command("TRUNCATE TABLE school_session")
    lost = verify(db, tries=1).differences
    assert {one.table for one in lost} == {"mark_assertion", "mark_current", "school_session"}
    assert repair(db, lost) == 1
    assert verify(db, tries=1).equal


def test_repair_cannot_take_back_what_no_history_has(db: Any) -> None:
    db.command("DELETE FROM mark_event WHERE pupil_id = 1")
    repair(db, verify(db, tries=1).differences)
    assert "surplus" in {one.kind for one in verify(db, tries=1).differences}


def test_marks_of_lessons_are_compared_and_made_again_like_the_others_rule_7(db: Any) -> None:
    later = datetime(2025, 9, 10, 11, tzinfo=UTC)
    rows.history(db, [rows.mark(5, "/", period="P3", offset=60, asserted_at=later), rows.mark(6, "L", period="P4")])
    assert checked(db).equal
    stood = db.query("SELECT * FROM period_current FINAL ORDER BY pupil_id").result_rows
    db.command("DELETE FROM period_current WHERE pupil_id = 5")
    db.command("ALTER TABLE period_current UPDATE raw_code = 'I' WHERE pupil_id = 6 SETTINGS mutations_sync = 2")
    differences = checked(db).differences
    assert {(one.table, one.kind, one.rows) for one in differences} == {
        ("period_current", "missing", 1),
        ("period_current", "differs", 1),
    }
    repair(db, differences)
    assert checked(db).equal
    assert db.query("SELECT * FROM period_current FINAL ORDER BY pupil_id").result_rows == stood

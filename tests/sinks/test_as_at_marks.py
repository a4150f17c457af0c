"""Current marks of a past instant, made out of what stands now: row for row as derived again from nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from rollcall.domain.codes import CODES
from sinks.as_at import opened
from sinks.derive import derive, rederive
from tests.sinks import rows
from tests.sinks.test_as_at import (
    DAY,
    EVENING,
    LATE,
    PROMPT,
    a_school_that_had_not_opened,
    an_alias,
    came,
    db,
    rules,
)

__all__ = ["db"]

MARKS = "SELECT * FROM mark_current FINAL ORDER BY ALL"
COUNTS = (
    "SELECT session_date, urn, session, in_scope, year_group, canonical_code, marks FROM school_session FINAL"
    " WHERE marks > 0 ORDER BY ALL"
)
#: Whether what stands now was made use of.
USED = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'mark_current_then'"


def seen(client: Any, from_present: bool = True) -> tuple[int, Any, Any]:
    """Whether what stands was used; marks and counts of the evening."""
    with opened(client, EVENING, DAY, DAY, from_present=from_present) as then:
        return (
            then.query(USED).first_row[0],
            then.query(MARKS).result_rows,
            then.query(COUNTS).result_rows,
        )


def nothing(client: Any) -> None:
    """What stands now stood then."""


def amended(client: Any) -> None:
    came(client, 1, PROMPT[0], "I-", [17, 0])
    came(client, 2, PROMPT[1], "L", [17])


def another_source(client: Any) -> None:
    came(client, 1, PROMPT[0], "OO", [0, 16], source="mis", source_kind="mis")


def said_again(client: Any, edition: int, urn: int, pupil: int) -> None:
    """What a school said of a pupil, said again unchanged in an edition, and it decides."""
    when = rows.ARRIVED + timedelta(days=14 * edition)
    client.command(
        "INSERT INTO mark_reassertion SELECT session_date, urn, session, period, pupil_id, version, content,"
        " bitShiftLeft(toUInt64(toUnixTimestamp64Milli({when:DateTime64(3, 'UTC')})), 20), {when:DateTime64(3, 'UTC')},"
        " topic, topic_id, partition, offset, {batch:UInt64} FROM mark_event FINAL"
        " WHERE urn = {urn:UInt32} AND pupil_id = {pupil:UInt64} AND source = 'classroom'",
        parameters={"when": when, "urn": urn, "pupil": urn * 100 + pupil, "batch": 900 + edition},
    )
    derive(client, [900 + edition])


def another_room(client: Any) -> None:
    came(client, 0, PROMPT[0], "OO", [3, 4], source="second-room", asserted_at=rows.ARRIVED - timedelta(minutes=1))


def said_again_since(client: Any) -> None:
    """Of two who are equals; one of them had said it again by then, of one pupil."""
    another_room(client)
    said_again(client, 0, PROMPT[0], 3)
    said_again(client, 1, PROMPT[0], 3)
    said_again(client, 2, PROMPT[0], 4)


def deleted(client: Any) -> None:
    came(client, 1, PROMPT[0], "/", [3], deleted=True)


def late_marks_of_a_school_that_had_sent_none(client: Any) -> None:
    came(client, 3, LATE, "//L", [0, 1, 2])


def not_counted_yet(client: Any) -> None:
    """A batch before them is not finished, so the worker may have written them and not counted them."""
    at = rows.ARRIVED + timedelta(days=14)
    rows.insert(client, "ledger", [rows.in_hand(at)])
    came(client, 1, PROMPT[0], "I", [17])
    wrong = {"session_date": DAY, "urn": PROMPT[0], "session": "AM", "in_scope": True, "year_group": "7"}
    rows.insert(client, "school_session", [{**wrong, "canonical_code": "X", "marks": 3, "derived_version": 2**120}])


def two_who_were_merged_before(client: Any) -> None:
    an_alias(client)
    client.command("ALTER TABLE reference_version DELETE WHERE kind = 'pupil-alias' SETTINGS mutations_sync = 2")
    versions = "SELECT 'pupil-alias', toString(pupil_id), published_at, toDateTime64('2026-02-01 00:00:00', 6, 'UTC')"
    client.command(
        f"INSERT INTO reference_version (kind, key, taken_at, applied_at) {versions} FROM pupil_alias LIMIT 1"
    )
    came(client, 1, PROMPT[0], "I", [0])


@pytest.mark.parametrize(
    "later",
    [
        nothing,
        amended,
        another_source,
        said_again_since,
        deleted,
        late_marks_of_a_school_that_had_sent_none,
        not_counted_yet,
        two_who_were_merged_before,
        a_school_that_had_not_opened,
    ],
    ids=lambda one: one.__name__,
)
def test_what_stands_now_gives_what_deriving_everything_again_gives(db: Any, later: Callable[[Any], None]) -> None:
    came(db, 0, PROMPT[0], "LO", [0, 16], source="mis", source_kind="mis", asserted_at=rows.ARRIVED)
    came(db, 0, PROMPT[1], "/", [15], source="kiosk", source_kind="kiosk")
    later(db)
    used, *found = seen(db)
    assert used
    not_used, *again = seen(db, from_present=False)
    assert not not_used
    assert found == again
    assert len(found[0]) == 40 if later is not two_who_were_merged_before else found[0]


def test_of_two_who_disagree_who_had_said_it_again_by_then_counts(db: Any) -> None:
    said_again_since(db)
    pupils = f"{PROMPT[0]}03, {PROMPT[0]}04"
    source = f"SELECT toString(source) FROM mark_current FINAL WHERE pupil_id IN ({pupils}) ORDER BY pupil_id"
    with opened(db, EVENING, DAY, DAY) as then:
        assert then.query(source).result_rows == [("classroom",), ("second-room",)]
    assert db.query(source).result_rows == [("classroom",), ("classroom",)]


def test_where_rules_were_published_everything_is_derived_again(db: Any) -> None:
    came(db, 0, PROMPT[0], "LO", [0, 16], source="mis", source_kind="mis", asserted_at=rows.ARRIVED)
    rules(db)
    used, *found = seen(db)
    assert not used
    assert len(found[0]) == 40


def test_marks_that_wait_for_a_new_map_did_not_stand_as_they_stand(db: Any) -> None:
    rows.code_map(db, {**{code.code: code.code for code in CODES}, "I": "O"}, version=2, known_from=rows.TAKEN)
    used, *waiting = seen(db)
    assert not used
    assert rederive(db) == 1
    used, *found = seen(db)
    assert used
    assert found == waiting == list(seen(db, from_present=False)[1:])


def test_what_comes_while_it_is_asked_changes_nothing(db: Any) -> None:
    came(db, 1, PROMPT[0], "I", [17])
    with opened(db, EVENING, DAY, DAY) as then:
        assert then.query(USED).first_row == (1,)
        before = then.query(MARKS).result_rows, then.query(COUNTS).result_rows
        came(db, 2, PROMPT[0], "III", [2, 18, 19])
        db.command("OPTIMIZE TABLE mark_current FINAL")
        assert (then.query(MARKS).result_rows, then.query(COUNTS).result_rows) == before


def test_counts_that_are_not_of_the_marks_are_said(db: Any) -> None:
    came(db, 1, PROMPT[0], "I", [17])
    none = {"session_date": DAY, "urn": PROMPT[0], "session": "AM", "in_scope": True, "canonical_code": "I"}
    year = db.query(COUNTS).result_rows[0][4]
    rows.insert(db, "school_session", [{**none, "year_group": year, "marks": 0, "derived_version": 2**120}])
    with pytest.raises(DatabaseError, match="run rollcall verify"), opened(db, EVENING, DAY, DAY):
        pass

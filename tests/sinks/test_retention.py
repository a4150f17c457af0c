"""`rollcall retention`: what is older than a day goes everywhere, and what is left is whole and accounted for."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from rollcall.domain.codes import CODES
from sinks.reconcile import reconcile
from sinks.retention import first_day_kept, keep
from sinks.verify import verify
from sinks.weeks import make
from tests.mortal import Killed, Mortal
from tests.sinks import rows
from tests.sinks.test_reconcile import GROUP, entry, receipt, refused

CUT = date(2026, 3, 1)
OLD, NEW = date(2026, 2, 11), date(2026, 3, 4)
THEN, LATER = datetime(2026, 2, 11, 9, tzinfo=UTC), datetime(2026, 3, 4, 9, tzinfo=UTC)


def archived(offset: int, arrived_at: datetime) -> dict[str, Any]:
    """A message of the archive, which keeps it for as long as it is told."""
    place = {"topic": rows.REGISTER_TOPIC, "topic_id": rows.TOPIC_ID, "partition": 0, "offset": offset}
    return {**place, "urn": 100001, "value": b"x", "arrived_at": arrived_at}


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """Pupil 1: a mark of February. Pupil 2: of February and March. Pupil 3: of February, brought in March.

    Pupil 4: of March, entered in February; beside it a refused mark and a message nobody can read.
    """
    rows.code_map(clickhouse, {code.code: code.code for code in CODES})
    rows.history(
        clickhouse,
        [
            rows.mark(1, session_date=OLD, ingested_at=THEN, offset=0),
            rows.mark(2, session_date=OLD, ingested_at=THEN, offset=1),
            rows.mark(4, session_date=NEW, ingested_at=THEN, offset=2),
            rows.mark(2, session_date=NEW, ingested_at=LATER, offset=5, batch=2),
            rows.mark(3, session_date=OLD, ingested_at=LATER, offset=6, batch=2),
        ],
    )
    before = {"ingested_at": THEN, "produced_at": THEN}
    rows.insert(clickhouse, "register_receipt", [receipt(n, **before) for n in (0, 1, 2, 3)])
    rows.insert(clickhouse, "register_receipt", [receipt(n, ingested_at=LATER) for n in (5, 6)])
    rows.insert(clickhouse, "quarantine", [{**one, "ingested_at": THEN} for one in (refused(3, 0), refused(4, -1))])
    rows.insert(
        clickhouse,
        "ledger",
        [
            entry(0, 4, ingested_at=THEN, decoded=4, undecodable=1, marks=4, accepted=3, quarantined=1),
            entry(5, 6, ingested_at=LATER),
        ],
    )
    rows.insert(clickhouse, "message_archive", [archived(0, THEN), archived(5, LATER)])
    rows.roster(clickhouse, 100001, [rows.pupil(1, last_day=date(2026, 2, 20)), rows.pupil(2), rows.pupil(3)])
    rows.insert(
        clickhouse,
        "crosswalk",
        [
            {"urn": 100001, "scheme": "mis", "ref": f"r{n}", "pupil_id": n, "updated_at": rows.TAKEN}
            for n in (1, 2, 3, 4)
        ],
    )
    assert reconcile(clickhouse, GROUP).gap == 0
    return clickhouse


def test_what_is_older_is_gone_and_the_rest_is_whole(db: Any) -> None:
    assert make(db) == 2
    counted = keep(db, CUT, "a test", dry_run=True)
    assert reconcile(db, GROUP).total("accepted") == 5
    deleted = keep(db, CUT, "a test")
    # What a pupil has left is known when the rest is gone.
    assert deleted == {**counted, "crosswalk": 1}
    assert db.query("SELECT pupil_id, session_date FROM mark_event ORDER BY offset").result_rows == [(4, NEW), (2, NEW)]
    for table in ("mark_assertion", "mark_current", "school_session"):
        assert db.query(f"SELECT min(session_date) FROM {table}").result_rows == [(NEW,)]
    assert db.query("SELECT week FROM pupil_week").result_rows == [(date(2026, 3, 2),)]
    assert db.query("SELECT count() FROM quarantine").result_rows == [(0,)]
    assert db.query("SELECT offset FROM messages_archived").result_rows == [(5,)]
    assert db.query("SELECT pupil_id FROM crosswalk FINAL ORDER BY 1").result_rows == [(2,), (3,), (4,)]
    assert verify(db, tries=1).equal


def test_everything_taken_in_since_is_still_accounted_for(db: Any) -> None:
    keep(db, CUT, "a test")
    found = reconcile(db, GROUP)
    assert [one.problems for one in found.partitions] == [[]]
    assert (found.total("messages"), found.total("accepted")) == (2, 2)
    db.command("ALTER TABLE mark_event DELETE WHERE offset = 5 SETTINGS mutations_sync = 2")
    assert reconcile(db, GROUP).gap > 0  # what nobody erased on purpose is still missed


def test_again_there_is_nothing_left_to_delete(db: Any) -> None:
    keep(db, CUT, "a test")
    assert keep(db, CUT, "a test") == {}
    kinds = db.query("SELECT DISTINCT kind, before FROM erasure").result_rows
    assert kinds == [("retention", CUT)]


def test_a_run_that_was_killed_is_finished_by_the_next(db: Any) -> None:
    killed = 0
    for statements in range(20):
        try:
            keep(Mortal(db, statements), CUT, "a test")  # type: ignore[arg-type]
        except Killed:
            killed += 1
    assert killed > 3
    assert db.query("SELECT count(), min(session_date) FROM mark_event").result_rows == [(2, NEW)]
    assert reconcile(db, GROUP).gap == 0
    assert verify(db, tries=1).equal


@pytest.mark.parametrize(
    ("today", "kept"), [(date(2026, 11, 26), date(2020, 11, 1)), (date(2024, 2, 29), date(2018, 2, 1))]
)
def test_whole_months_go_and_never_a_day_too_early(today: date, kept: date) -> None:
    assert first_day_kept(today) == kept

"""`rollcall reconcile`: the two identities against the tables, and every way in which they can fail."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.reconcile import Reconciliation, Watermark, reconcile
from tests.sinks import rows

GROUP = "rollcall-test"


def entry(first: int, last: int, state: str = "DONE", epoch: int = 1, **counts: int) -> dict[str, Any]:
    """A range of the ledger; by default each message is decoded and holds one accepted mark."""
    length = last - first + 1
    numbers = {"decoded": length, "undecodable": 0, "no_record": 0, "marks": length, "accepted": length}
    numbers |= {"unchanged": 0, "quarantined": 0, "messages": length}
    return {
        "consumer_group": GROUP,
        "topic": rows.REGISTER_TOPIC,
        "topic_id": rows.TOPIC_ID,
        "partition": 0,
        "first_offset": first,
        "last_offset": last,
        "epoch": epoch,
        "batch": 1,
        "ingested_at": rows.ARRIVED,
        "digest": 1,
        "map_version": 1,
        "state": state,
        **numbers,
        **counts,
    }


def receipt(offset: int, marks: int = 1, unchanged: int = 0, **facts: Any) -> dict[str, Any]:
    return {
        "urn": 100001,
        "source": "classroom",
        "source_kind": "register",
        "marks": marks,
        "unchanged": unchanged,
        "topic": rows.REGISTER_TOPIC,
        "topic_id": rows.TOPIC_ID,
        "partition": 0,
        "offset": offset,
        "produced_at": rows.ARRIVED,
        "ingested_at": rows.ARRIVED,
        **facts,
    }


def refused(offset: int, item: int) -> dict[str, Any]:
    place = {"topic": rows.REGISTER_TOPIC, "topic_id": rows.TOPIC_ID, "partition": 0, "offset": offset}
    return {
        "reason": "undecodable" if item < 0 else "unknown_pupil",
        "item": item,
        "ingested_at": rows.ARRIVED,
        **place,
    }


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """Offsets 0 to 9 in two ranges. 0-4: a mark each. 5: two accepted, one unchanged, one refused; 6: undecodable;
    7: without a record; 8: a mark; 9: everything unchanged."""
    rows.insert(clickhouse, "register_receipt", [receipt(n) for n in (0, 1, 2, 3, 4, 8)])
    rows.insert(clickhouse, "register_receipt", [receipt(5, 4, 1), receipt(9, 3, 3)])
    marks = [rows.mark(n, offset=n) for n in (0, 1, 2, 3, 4, 8)]
    rows.history(clickhouse, [*marks, rows.mark(11, offset=5), rows.mark(12, offset=5, item=1)], derived=False)
    rows.insert(clickhouse, "quarantine", [refused(5, 3), refused(6, -1)])
    rows.insert(clickhouse, "ledger", [entry(0, 4)])
    second = {
        "decoded": 3,
        "undecodable": 1,
        "no_record": 1,
        "marks": 8,
        "accepted": 3,
        "unchanged": 4,
        "quarantined": 1,
    }
    rows.insert(clickhouse, "ledger", [entry(5, 9, **second)])
    return clickhouse


def account(client: Any, **given: Any) -> Reconciliation:
    return reconcile(client, GROUP, **given)


def problems(client: Any, **given: Any) -> list[str]:
    return [problem for one in account(client, **given).partitions for problem in one.problems]


def test_everything_accounted_for(db: Any) -> None:
    found = account(db)
    assert found.gap == 0
    assert problems(db) == []
    total = found.total
    assert total("messages") == total("decoded") + total("undecodable") + total("no_record") == 10
    assert total("marks") == total("accepted") + total("unchanged") + total("quarantined") == 13
    assert (total("decoded"), total("accepted"), total("unchanged"), total("quarantined")) == (8, 8, 4, 1)
    (one,) = found.partitions
    assert (one.first_offset, one.next_offset, one.ranges, one.lag) == (0, 10, 2, None)


def test_a_delivery_that_came_twice_is_one(db: Any) -> None:
    rows.history(db, [rows.mark(n, offset=n, batch=7) for n in range(4)], derived=False)
    rows.insert(db, "register_receipt", [receipt(0, batch=7)])
    rows.insert(db, "quarantine", [refused(6, -1)])
    assert account(db).gap == 0


def test_a_lost_mark_is_a_gap(db: Any) -> None:
    db.command("DELETE FROM mark_event WHERE offset = 3")
    assert account(db).gap == 2  # The mark itself, and the count the ledger claims.
    assert problems(db) == [
        "1 marks of offsets 0-4 are not in the tables, or twice",
        "1 accepted of offsets 0-4: 5 in the ledger, 4 in the tables",
    ]


def test_a_mark_that_nobody_sent_is_a_gap(db: Any) -> None:
    rows.history(db, [rows.mark(99, offset=3, item=7)], derived=False)
    assert "1 marks of offsets 0-4 are not in the tables, or twice" in problems(db)


def test_one_lost_and_one_surplus_do_not_cancel_out(db: Any) -> None:
    db.command("DELETE FROM mark_event WHERE offset = 3")
    rows.history(db, [rows.mark(99, offset=2, item=7)], derived=False)
    assert problems(db) == ["2 marks of offsets 0-4 are not in the tables, or twice"]


def test_a_lost_message_is_a_gap(db: Any) -> None:
    db.command("DELETE FROM register_receipt WHERE offset = 9")
    assert "1 messages of offsets 5-9 have no receipt, are not in quarantine and were not without a record" in problems(
        db
    )


def test_a_lost_quarantine_entry_is_a_gap(db: Any) -> None:
    db.command("DELETE FROM quarantine WHERE item = 3")
    assert "1 quarantined of offsets 5-9: 1 in the ledger, 0 in the tables" in problems(db)


def test_a_message_decoded_and_undecodable_at_once_is_a_gap(db: Any) -> None:
    rows.insert(db, "quarantine", [refused(0, -1)])
    assert account(db).gap > 0


def test_a_mark_in_both_counts_as_history(db: Any) -> None:
    rows.insert(db, "quarantine", [refused(0, 0)])
    found = account(db)
    assert (found.gap, found.total("in_both"), found.total("quarantined")) == (0, 1, 1)


def test_a_hole_in_the_ledger_is_a_gap(db: Any) -> None:
    rows.insert(db, "ledger", [entry(12, 12)])
    rows.insert(db, "register_receipt", [receipt(12)])
    rows.history(db, [rows.mark(12, offset=12)], derived=False)
    assert problems(db) == ["2 messages of offsets 10-11 are in no range"]
    assert account(db).partitions[0].next_offset == 10


def test_a_range_that_is_begun_is_a_gap_until_it_is_done(db: Any) -> None:
    rows.insert(db, "ledger", [entry(10, 12, "PENDING", decoded=0, marks=0, accepted=0)])
    assert problems(db) == ["3 messages of offsets 10-12 are begun, not done"]
    rows.insert(db, "register_receipt", [receipt(n) for n in (10, 11, 12)])
    rows.history(db, [rows.mark(n, offset=n) for n in (10, 11, 12)], derived=False)
    rows.insert(db, "ledger", [entry(10, 12)])
    assert account(db).gap == 0


def test_a_range_that_a_later_epoch_took_over_is_no_gap(db: Any) -> None:
    rows.insert(db, "ledger", [entry(5, 7, "SUPERSEDED", epoch=0, decoded=0, marks=0, accepted=0)])
    rows.insert(db, "ledger", [entry(2, 6, "PENDING", epoch=0, decoded=0, marks=0, accepted=0)])
    found = account(db)
    assert (found.gap, found.total("overtaken")) == (0, 1)


def test_a_range_done_twice_is_counted_once(db: Any) -> None:
    rows.insert(db, "ledger", [entry(1, 3, epoch=0)])
    found = account(db)
    assert (found.gap, found.total("messages")) == (0, 10)


def test_rows_that_no_range_covers_are_a_gap(db: Any) -> None:
    rows.history(db, [rows.mark(50, offset=50)], derived=False)
    assert problems(db) == ["1 messages stand in the tables and in no range of the ledger"]


def test_a_count_that_the_ledger_only_claims_is_a_gap(db: Any) -> None:
    """The tables are the proof, not the ledger: a ledger that agrees with itself convinces nobody."""
    rows.insert(db, "ledger", [entry(10, 14)])
    found = account(db)
    assert found.gap == 5 + 3 * 5
    assert found.total("decoded") == 8


def test_lag_is_told_and_is_a_gap_only_when_drained(db: Any) -> None:
    kafka = {(rows.TOPIC_ID, 0): Watermark(rows.REGISTER_TOPIC, 0, 14), (rows.TOPIC_ID, 1): Watermark("t", 0, 3)}
    found = account(db, watermarks=kafka)
    assert (found.gap, found.total("lag")) == (0, 4 + 3)
    assert account(db, watermarks=kafka, drained=True).gap == 7


def test_messages_before_the_ledger_begins_are_a_gap_while_kafka_has_them(clickhouse: Any) -> None:
    rows.insert(clickhouse, "ledger", [entry(5, 5)])
    rows.insert(clickhouse, "register_receipt", [receipt(5)])
    rows.history(clickhouse, [rows.mark(5, offset=5)], derived=False)
    place = (rows.TOPIC_ID, 0)
    assert problems(clickhouse, watermarks={place: Watermark("t", 0, 6)}) == [
        "5 messages before the ledger's first offset were not taken"
    ]
    assert account(clickhouse, watermarks={place: Watermark("t", 5, 6)}).gap == 0


def test_messages_that_retention_took_are_a_gap(db: Any) -> None:
    kafka = {(rows.TOPIC_ID, 0): Watermark(rows.REGISTER_TOPIC, 13, 20)}
    assert problems(db, watermarks=kafka) == ["3 messages were dropped by Kafka before they were taken"]


def test_a_topic_made_anew_begins_its_own_account(db: Any) -> None:
    anew = "00000000-0000-0000-0000-000000000002"
    rows.insert(db, "ledger", [entry(0, 0) | {"topic_id": anew}])
    rows.insert(db, "register_receipt", [receipt(0, topic_id=anew)])
    rows.history(db, [rows.mark(77, offset=0, topic_id=anew, event_id=1)], derived=False)
    found = account(db, watermarks={(anew, 0): Watermark(rows.REGISTER_TOPIC, 0, 1)})
    assert (found.gap, len(found.partitions), found.total("lag")) == (0, 2, 0)


def test_nothing_taken_is_nothing_to_account_for(clickhouse: Any) -> None:
    found = account(clickhouse)
    assert (found.gap, found.partitions) == (0, [])
    assert found.as_json()["messages"] == 0


def test_partitions_asked_for_together_are_accounted_for_each_by_itself(
    db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same offsets in three more partitions, of this topic and of another; what is off is off in its own."""
    other = {"topic": "attendance.mis.v1", "topic_id": rows.TOPIC_ID.replace("A", "B") + "-other"}
    for place in ({"partition": 1}, {**other, "partition": 0}, {**other, "partition": 1}):
        rows.insert(db, "register_receipt", [receipt(n, **place) for n in (0, 1)])
        rows.history(db, [rows.mark(20 + n, offset=n, **place) for n in (0, 1)], derived=False)
        rows.insert(db, "ledger", [{**entry(0, 1), **place}])
    # In partition 0 this mark is refused and in no history; at the same place of partition 1 it is in both.
    rows.insert(db, "quarantine", [{**refused(1, 0), "partition": 1}])
    rows.insert(db, "register_receipt", [receipt(7, **other, partition=1)])
    together = account(db)
    off = {(one.topic, one.partition): (one.gap, one.in_both, one.accepted) for one in together.partitions}
    assert off == {
        (rows.REGISTER_TOPIC, 0): (0, 0, 8),
        (rows.REGISTER_TOPIC, 1): (0, 1, 2),
        ("attendance.mis.v1", 0): (0, 0, 2),
        ("attendance.mis.v1", 1): (1, 0, 2),
    }
    for limit in ("_MARKS_AT_ONCE", "_PARTITIONS_AT_ONCE"):
        with monkeypatch.context() as patch:
            patch.setattr(f"sinks.reconcile.{limit}", 1)
            assert account(db) == together

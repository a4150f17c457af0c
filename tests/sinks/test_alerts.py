"""What the tables say a person should look at: registers overdue, sources silent, quarantine growing at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollcall.domain.clock import session_opens
from sinks import alerts
from tests.sinks.rows import DAY, calendar, code_map, history, insert, mark, pupil, roster, school, timetable

URN = 100_001
HOUR = datetime(2025, 9, 10, 10, tzinfo=UTC)


@pytest.fixture
def db(clickhouse: Any) -> Any:
    """A school of two groups that expects registers, on a day of its calendar."""
    school(clickhouse, URN)
    roster(clickhouse, URN, [pupil(1), pupil(2), pupil(3, group="7B")])
    timetable(clickhouse, URN, ["7A", "7B"])
    calendar(clickhouse, URN)
    code_map(clickhouse, {"/": "/", "N": "N"})
    return clickhouse


def at(time: str, days: int = 0) -> datetime:
    return session_opens(DAY + timedelta(days=days), time)


def receipt(db: Any, offset: int, produced_at: datetime, **facts: Any) -> None:
    row = {
        "urn": URN, "source": "classroom", "source_kind": "register", "submission_id": str(offset), "marks": 30,
        "topic": "attendance.register.v1", "topic_id": "t", "partition": 0, "offset": offset,
        "produced_at": produced_at, "ingested_at": produced_at, **facts,
    }  # fmt: skip
    insert(db, "register_receipt", [row])


def refused(db: Any, reason: str, count: int, at: datetime, urn: int = URN) -> None:
    insert(
        db,
        "quarantine",
        [
            {"reason": reason, "urn": urn, "source": "classroom", "topic": "attendance.register.v1", "topic_id": reason,
             "partition": 0, "offset": number, "item": 0, "ingested_at": at}
            for number in range(count)
        ],
    )  # fmt: skip


def subjects(found: list[alerts.Found]) -> list[tuple[Any, ...]]:
    return sorted((one.urn, one.session, one.group_id, one.source, one.reason, one.found) for one in found)


def closing(db: Any) -> str:
    """When the morning's registers close, by the timetable of `rows.timetable`."""
    query = f"SELECT max(closes_at) FROM registers_timetabled WHERE urn = {URN} AND session = 'AM'"
    return str(db.query(query).result_rows[0][0])


def test_a_register_is_overdue_from_its_closing_on_until_a_pupil_of_the_group_has_a_mark(db: Any) -> None:
    closes = session_opens(DAY, closing(db))
    assert alerts.overdue(db, closes - timedelta(minutes=1)) == []
    assert subjects(alerts.overdue(db, closes)) == [
        (URN, "AM", "7A", None, None, 2), (URN, "AM", "7B", None, None, 1),
    ]  # fmt: skip
    history(db, [mark(1)])
    assert subjects(alerts.overdue(db, closes)) == [(URN, "AM", "7B", None, None, 1)]
    (one,) = alerts.overdue(db, closes)
    assert (one.kind, one.session_date, one.window_to) == ("register_overdue", DAY, closes)


def test_evidence_of_a_kiosk_is_no_register_rule_17(db: Any) -> None:
    history(db, [mark(1, source="front-desk", source_kind="kiosk", record_id="e-1")])
    assert len(alerts.overdue(db, session_opens(DAY, closing(db)))) == 2


def test_on_a_closed_day_nothing_is_overdue(db: Any) -> None:
    assert alerts.overdue(db, at("12:00", days=3)) == []


def test_a_source_that_spoke_last_week_and_not_today_is_silent(db: Any) -> None:
    receipt(db, 1, at("08:55", days=-7))
    receipt(db, 2, at("08:55", days=-7), source="wonde", source_kind="mis")
    receipt(db, 3, at("08:55", days=-30), source="gone-since", source_kind="mis")
    receipt(db, 4, at("08:55", days=-1), source="front-desk", source_kind="kiosk")
    closes = session_opens(DAY, closing(db))
    assert alerts.silent(db, closes - timedelta(minutes=1)) == []
    assert subjects(alerts.silent(db, closes)) == [
        (URN, "AM", None, "classroom", None, 1), (URN, "AM", None, "wonde", None, 1),
    ]  # fmt: skip
    receipt(db, 5, at("08:58"))
    assert [one.source for one in alerts.silent(db, closes)] == ["wonde"]


def test_a_source_heard_in_the_morning_only_is_silent_in_the_afternoon(db: Any) -> None:
    receipt(db, 1, at("08:55", days=-1))
    receipt(db, 2, at("08:55"))
    assert [(one.session, one.source) for one in alerts.silent(db, at("15:00"))] == [("PM", "classroom")]
    receipt(db, 3, at("13:05"))
    assert alerts.silent(db, at("15:00")) == []


def test_a_surge_is_many_refusals_of_one_school_and_reason_in_an_hour_and_a_tenth_of_its_marks(db: Any) -> None:
    refused(db, "unknown_pupil", alerts.SURGE_AT_LEAST, HOUR + timedelta(minutes=59))
    refused(db, "bad_date", alerts.SURGE_AT_LEAST - 1, HOUR)
    refused(db, "undecodable", alerts.SURGE_AT_LEAST, HOUR, urn=0)
    refused(db, "malformed_code", alerts.SURGE_AT_LEAST, HOUR - timedelta(minutes=1))
    assert subjects(alerts.surges(db, HOUR)) == [
        (0, None, None, None, "undecodable", 20), (URN, None, None, None, "unknown_pupil", 20),
    ]  # fmt: skip
    receipt(db, 1, HOUR, marks=20 * alerts.SURGE_ONE_IN)
    assert len(alerts.surges(db, HOUR)) == 2
    receipt(db, 2, HOUR, marks=1)
    assert [one.urn for one in alerts.surges(db, HOUR)] == [0]


def test_all_is_found_at_once_and_a_surge_of_the_hour_before_too(db: Any) -> None:
    receipt(db, 1, at("08:55", days=-1))
    refused(db, "unknown_pupil", 25, HOUR - timedelta(minutes=1))
    kinds = [one.kind for one in alerts.found(db, HOUR)]
    assert kinds == ["register_overdue", "register_overdue", "source_silent", "quarantine_surge"]
    assert len({one.subject for one in alerts.found(db, HOUR)}) == 4

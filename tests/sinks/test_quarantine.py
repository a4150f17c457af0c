"""`sinks.quarantine`: what is refused for now, and its bytes as received."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rollcall.errors import UsageError
from sinks.quarantine import entries, message, summary, without_pupils
from tests.sinks import rows

PLACE = {"topic": rows.REGISTER_TOPIC, "topic_id": rows.TOPIC_ID, "partition": 3}


def refused(offset: int, item: int, reason: str = "unknown_pupil", **facts: Any) -> dict[str, Any]:
    defaults = {"urn": 100001, "source": "classroom", "session_date": rows.DAY, "session": "AM", "detail": "item"}
    return {"reason": reason, "offset": offset, "item": item, "ingested_at": rows.ARRIVED, **defaults, **PLACE, **facts}


def stored(offset: int, value: bytes | None) -> dict[str, Any]:
    times = {"produced_at": rows.ARRIVED, "ingested_at": rows.ARRIVED}
    return {"offset": offset, "key": b"100001", "value": value or b"", "is_null": value is None, **times, **PLACE}


@pytest.fixture
def db(clickhouse: Any) -> Any:
    rows.insert(clickhouse, "quarantine", [refused(1, 0), refused(1, 2), refused(4, 0, urn=100002)])
    rows.insert(clickhouse, "quarantine", [refused(9, -1, "undecodable", urn=0), refused(10, -1, "no_value", urn=0)])
    rows.insert(clickhouse, "quarantine_message", [stored(9, bytes(range(256))), stored(10, None), stored(1, b"\x00")])
    return clickhouse


def test_reasons_are_counted_and_say_what_to_do(db: Any) -> None:
    first, *others = summary(db)
    assert (first.reason, first.entries, first.messages, first.schools) == ("unknown_pupil", 3, 2, 2)
    assert {one.reason for one in others} == {"undecodable", "no_value"}
    assert all(one.what and one.when_it_matters and one.how_to_resolve for one in (first, *others))


def test_an_entry_written_twice_is_one(db: Any) -> None:
    rows.insert(db, "quarantine", [refused(1, 0, ingested_at=rows.ARRIVED + timedelta(hours=1))])
    assert summary(db)[0].entries == 3
    assert summary(db)[0].last_seen == rows.ARRIVED.replace(tzinfo=None)


def test_one_school_alone(db: Any) -> None:
    assert [(one.reason, one.entries) for one in summary(db, urn=100002)] == [("unknown_pupil", 1)]
    assert [one.offset for one in entries(db, "unknown_pupil", urn=100002)] == [4]


def test_entries_are_listed_up_to_a_limit(db: Any) -> None:
    assert [(one.offset, one.item) for one in entries(db, "unknown_pupil")] == [(1, 0), (1, 2), (4, 0)]
    assert len(entries(db, "unknown_pupil", limit=2)) == 2


def test_a_reason_that_there_is_none_of_is_refused(db: Any) -> None:
    with pytest.raises(UsageError, match="no such reason: bad_weather; there are no_value, undecodable"):
        entries(db, "bad_weather")


def test_bytes_come_back_as_they_were_received(db: Any) -> None:
    found = message(db, rows.REGISTER_TOPIC, 3, 9)
    assert (found.key, found.value) == (b"100001", bytes(range(256)))
    assert [(one.reason, one.item) for one in found.entries] == [("undecodable", -1)]


def test_no_value_is_not_an_empty_one(db: Any) -> None:
    assert message(db, rows.REGISTER_TOPIC, 3, 10).value is None


def test_a_message_that_is_not_in_quarantine_is_refused(db: Any) -> None:
    with pytest.raises(UsageError, match=r"nothing of attendance.register.v1/3/77 is in quarantine"):
        message(db, rows.REGISTER_TOPIC, 3, 77)


def test_what_names_a_pupil_is_withheld_at_any_depth() -> None:
    record = {
        "urn": 100001,
        "marks": [
            {"pupil_ref": "secret", "record_id": "r-1", "code": "/", "minutes_late": None},
            {"pupil_ref": "other", "record_id": None, "code": "called home, will be late"},
        ],
        "deletions": ["r-2", "r-3"],
    }
    shown = without_pupils(record)
    assert shown["urn"] == 100001
    assert shown["marks"][0]["code"] == "/"
    assert shown["deletions"] == "<withheld, 2>"
    text = str(shown)
    assert not any(word in text for word in ("secret", "other", "r-1", "r-2", "called home"))

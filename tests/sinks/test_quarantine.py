"""`sinks.quarantine`, `sinks.quarantine_trail`: what is refused for now, its bytes, and what is done about it."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from rollcall.domain.clock import now
from rollcall.errors import UsageError
from sinks import exceptions
from sinks.quarantine import ALL, CLOSED, entries, message, summary, without_pupils
from sinks.quarantine_trail import Filter, choose, discard, steps
from sinks.quarantine_trail import stored as kept
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


def trail(offset: int, item: int, what: str, **facts: Any) -> dict[str, Any]:
    """A step of an entry's story; a judgement of a replay at the offset 1000 on."""
    defaults = {
        "run": "run", "by": "data manager", "why": "", "replayed_topic_id": rows.TOPIC_ID, "replayed_partition": 3,
        "replayed_offset": 1000 + offset, "replayed_item": item, "outcome": "", "at": rows.ARRIVED,
    }  # fmt: skip
    place = {"topic_id": rows.TOPIC_ID, "partition": 3, "offset": offset, "item": item}
    return {**place, "what": what, **defaults, **facts}


def story(db: Any, *told: dict[str, Any]) -> None:
    for one in told:
        rows.insert(db, "quarantine_trail", [one])


def states(db: Any) -> dict[tuple[int, int], str]:
    found = db.query("SELECT offset, item, toString(state) FROM quarantine_entries").result_rows
    return {(offset, item): state for offset, item, state in found}


def test_an_entry_is_open_until_it_is_taken_or_discarded(db: Any) -> None:
    story(
        db,
        trail(1, 0, "sent"), trail(1, 0, "judged", outcome="accepted"), trail(1, 2, "judged", outcome="unchanged"),
        trail(4, 0, "sent"), trail(9, -1, "discarded", replayed_topic_id="", replayed_offset=0),
    )  # fmt: skip
    assert states(db) == {(1, 0): "taken", (1, 2): "taken", (4, 0): "open", (9, -1): "discarded", (10, -1): "open"}
    assert {(one.reason, one.entries) for one in summary(db)} == {("unknown_pupil", 1), ("no_value", 1)}
    assert {(one.reason, one.entries) for one in summary(db, states=CLOSED)} == {
        ("unknown_pupil", 2),
        ("undecodable", 1),
    }
    assert sum(one.entries for one in summary(db, states=ALL)) == 5


def test_what_is_refused_again_is_one_entry_with_the_reason_it_has_now(db: Any) -> None:
    rows.insert(db, "quarantine", [refused(1004, 0, "ambiguous_pupil", urn=100002)])
    story(db, trail(4, 0, "sent"), trail(4, 0, "judged", outcome="refused"))
    assert [(one.reason, one.entries) for one in summary(db, urn=100002)] == [("ambiguous_pupil", 1)]
    (entry,) = entries(db, "ambiguous_pupil")
    assert (entry.offset, entry.first_reason, entry.attempts) == (4, "unknown_pupil", 1)
    assert entries(db, "unknown_pupil", urn=100002) == []


def test_a_replay_refused_whole_is_no_entry_of_its_own(db: Any) -> None:
    rows.insert(db, "quarantine", [refused(1001, -1, "unknown_schema", urn=0)])
    story(db, *(trail(1, item, "judged", outcome="refused", replayed_offset=1001, replayed_item=-1) for item in (0, 2)))
    assert {(one.offset, one.item) for one in entries(db, "unknown_schema")} == {(1, 0), (1, 2)}


def test_of_two_judgements_of_a_replay_the_better_stands(db: Any) -> None:
    """A writer that was replaced has refused what its successor accepted: the history counts."""
    story(db, trail(4, 0, "judged", outcome="accepted"), trail(4, 0, "judged", outcome="refused"))
    assert states(db)[4, 0] == "taken"
    assert [one.outcome for one in steps(db, rows.TOPIC_ID, 3, 4)] == ["accepted"]


def test_the_story_of_an_entry_is_told_in_order(db: Any) -> None:
    rows.insert(db, "quarantine", [refused(1004, 0, "ambiguous_pupil")])
    later = {"run": "second", "by": "healing", "replayed_offset": 1005, "at": rows.ARRIVED + timedelta(hours=1)}
    story(
        db,
        trail(4, 0, "judged", outcome="accepted", **later), trail(4, 0, "sent", **later), trail(4, 0, "sent"),
        trail(4, 0, "judged", outcome="refused"),
    )  # fmt: skip
    rows.insert(db, "quarantine_message", [stored(4, b"\x00")])
    told = [(one.what, one.run, one.by, one.outcome) for one in message(db, rows.REGISTER_TOPIC, 3, 4).steps]
    assert told == [
        ("sent", "run", "data manager", ""), ("judged", "run", "data manager", "ambiguous_pupil"),
        ("sent", "second", "healing", ""), ("judged", "second", "healing", "accepted"),
    ]  # fmt: skip
    assert message(db, rows.REGISTER_TOPIC, 3, 1005).offset == 4


def test_entries_are_chosen_by_every_condition_given(db: Any) -> None:
    def chosen(**wanted: Any) -> list[tuple[int, tuple[int, ...]]]:
        return [(one.offset, one.items) for one in choose(db, Filter(**wanted), [rows.REGISTER_TOPIC]).chosen]

    assert chosen() == [(1, (0, 2)), (4, (0,)), (9, (-1,)), (10, (-1,))]
    assert chosen(reason="unknown_pupil", urn=100001) == [(1, (0, 2))]
    assert chosen(source="mis") == []
    assert chosen(since=rows.ARRIVED) == chosen()
    assert chosen(since=rows.ARRIVED + timedelta(milliseconds=1)) == []
    with pytest.raises(UsageError, match="no such reason: bad_weather"):
        Filter(reason="bad_weather")


def test_what_is_on_its_way_is_left_for_a_day_and_what_no_worker_reads_for_good(db: Any) -> None:
    just_now = now()
    rows.insert(db, "quarantine", [refused(2, -1, "undecodable", topic="reference.roster.v1", topic_id="other")])
    story(db, trail(1, 0, "sent", at=just_now), trail(4, 0, "sent", at=just_now - timedelta(days=1, minutes=1)))
    selection = choose(db, Filter(), [rows.REGISTER_TOPIC])
    assert [(one.offset, one.items) for one in selection.chosen] == [(1, (2,)), (4, (0,)), (9, (-1,)), (10, (-1,))]
    assert (selection.left.on_their_way, selection.left.of_other_topics) == (1, 1)
    assert choose(db, Filter(), None).left.of_other_topics == 0


def test_bytes_that_are_gone_are_left_out(db: Any) -> None:
    chosen = choose(db, Filter(), [rows.REGISTER_TOPIC]).chosen
    found = [one for some in kept(db, chosen) for one in some]
    assert [(one.chosen.offset, one.key, one.value) for one in found] == [
        (1, b"100001", b"\x00"), (9, b"100001", bytes(range(256))), (10, b"100001", None),
    ]  # fmt: skip


@pytest.mark.parametrize("why", ["", "  ", "two\nlines", "x" * 501])
def test_a_discard_needs_a_reason(db: Any, why: str) -> None:
    with pytest.raises(UsageError, match="a reason is wanted"):
        discard(db, choose(db, Filter(), None).chosen, "run", "data manager", why)
    assert sum(one.entries for one in summary(db)) == 5


def test_what_was_discarded_is_still_counted_with_who_when_and_why(db: Any) -> None:
    before = now()
    discard(db, choose(db, Filter(urn=100001), None).chosen, "run", "S012", "sent by mistake")
    assert [(one.reason, one.entries) for one in summary(db, states=("discarded",))] == [("unknown_pupil", 2)]
    (first, _) = steps(db, rows.TOPIC_ID, 3, 1)
    assert (first.what, first.by, first.why) == ("discarded", "S012", "sent by mistake")
    assert first.at.replace(tzinfo=UTC) >= before - timedelta(seconds=1)
    assert db.query("SELECT count() FROM quarantine_open").result_rows == [(3,)]


def test_exceptions_are_counted_say_what_to_do_and_name_no_pupil(clickhouse: Any) -> None:
    rows.code_map(clickhouse, {"/": "/"})
    rows.history(clickhouse, [rows.mark(number, exceptions=["not_on_roll"]) for number in (1, 2)])
    one = next(one for one in exceptions.summary(clickhouse, rows.DAY, rows.DAY) if one.exception == "not_on_roll")
    assert (one.exception, one.found, one.schools, one.first_day) == ("not_on_roll", 2, 1, rows.DAY)
    assert one.how_to_resolve.startswith("Correct the admission")
    places = exceptions.found(clickhouse, "not_on_roll", rows.DAY, rows.DAY)
    assert [(place.urn, place.session, place.source) for place in places] == [(100001, "AM", "classroom")] * 2
    assert not any("pupil" in name for name in places[0].as_json())
    assert exceptions.summary(clickhouse, rows.DAY, rows.DAY, urn=100002) == []
    with pytest.raises(UsageError, match="no such exception: bad_weather"):
        exceptions.found(clickhouse, "bad_weather", rows.DAY, rows.DAY)

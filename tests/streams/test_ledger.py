"""The range ledger: who may write, where a partition goes on, and what stops it (design 8)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from rollcall.errors import LedgerError
from sinks.clickhouse import connect
from sinks.ledger import Ledger, LedgerRange, position
from streams.pipeline import EPOCH_HOLDS_S, Fenced, Guard
from tests.streams.messages import REGISTER, URN, at, mark, page, record, register
from tests.streams.rig import Fate, Rig

TOPIC = "7b0c6d0e-topic"


def covering(first: int, last: int, **facts: Any) -> LedgerRange:
    return replace(LedgerRange(REGISTER, TOPIC, 0, first, last, 1, 7, 1_757_000_000_000, 0, 1), **facts)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)), max_size=12), st.integers(0, 10))
def test_the_position_is_the_first_offset_that_no_range_covers(spans: list[tuple[int, int]], start: int) -> None:
    covered = {offset for first, length in spans for offset in range(first, first + length + 1)}
    expected = next(offset for offset in range(start, 100) if offset not in covered)
    assert position([covering(first, first + length) for first, length in spans], start) == expected


def test_an_epoch_is_claimed_once_however_many_want_it(rig: Rig) -> None:
    together = threading.Barrier(4)

    def claim(name: str) -> list[int]:
        ledger = Ledger(connect(rig.settings.clickhouse), "a group")
        together.wait(30)
        return [ledger.claim([(TOPIC, 3)], name) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        won = [epoch for mine in pool.map(claim, ["one", "two", "three", "four"]) for epoch in mine]
    assert sorted(won) == list(range(1, 17))
    assert Ledger(rig.client, "a group").epochs([(TOPIC, 3), (TOPIC, 4)]) == {(TOPIC, 3): 16}
    assert Ledger(rig.client, "another group").epochs([(TOPIC, 3)]) == {}


def test_partitions_are_claimed_together_and_each_knows_its_latest_epoch(rig: Rig) -> None:
    """Workers that want some of the same partitions at once: every claim is whole, and under an epoch of its own."""
    together = threading.Barrier(3)
    wanted = [[(TOPIC, 0), (TOPIC, 1)], [(TOPIC, 1), (TOPIC, 2)], [("another", 1), (TOPIC, 0)]]

    def claim(number: int) -> list[tuple[int, int]]:
        ledger = Ledger(connect(rig.settings.clickhouse), "a group")
        together.wait(30)
        return [(ledger.claim(wanted[number], f"worker {number}"), number) for _ in range(3)]

    with ThreadPoolExecutor(3) as pool:
        won = sorted(one for mine in pool.map(claim, range(3)) for one in mine)
    assert [epoch for epoch, _ in won] == list(range(1, 10))
    latest = {place: epoch for epoch, number in won for place in wanted[number]}
    assert Ledger(rig.client, "a group").epochs([*latest, ("another", 0)]) == latest


def test_a_state_never_goes_back_and_each_epoch_has_its_own_row(rig: Rig) -> None:
    ledger = Ledger(rig.client, "a group")
    begun, later = covering(0, 9), covering(0, 9, epoch=2, ingested_ms=1_757_000_000_500)
    ledger.write("PENDING", [begun], "one")
    ledger.write("DONE", [replace(begun, decoded=10, marks=300)], "two")
    ledger.write("PENDING", [begun], "three")
    ledger.write("PENDING", [later], "four")
    held = ledger.ranges(REGISTER, TOPIC, [0])[0]
    assert held.pending == [later]
    assert [(span.first, span.last) for span in held.done] == [(0, 9)]
    assert held.latest == later.ingested_ms
    ledger.write("SUPERSEDED", [later], "five")
    assert ledger.ranges(REGISTER, TOPIC, [0])[0].pending == []


def test_done_ranges_are_read_as_spans_whatever_their_order_and_overlap(rig: Rig) -> None:
    ledger = Ledger(rig.client, "a group")
    for number, (first, last) in enumerate([(5, 9), (0, 4), (20, 29), (22, 24), (3, 6), (28, 31), (40, 40), (41, 49)]):
        ledger.write("DONE", [covering(first, last, epoch=number)], f"{number}")
    ledger.write("DONE", [covering(10, 19, partition=1)], "another partition")
    ledger.write("PENDING", [covering(10, 19)], "pending")
    held = ledger.ranges(REGISTER, TOPIC, [0, 1, 2])
    assert [(span.first, span.last) for span in held[0].done] == [(0, 9), (20, 31), (40, 49)]
    assert [(span.first, span.last) for span in held[1].done] == [(10, 19)]
    assert held[2].done == []
    assert [len(held[number].pending) for number in (0, 1, 2)] == [1, 0, 0]


def test_a_writer_is_fenced_by_a_later_epoch_by_silence_and_by_revocation(rig: Rig) -> None:
    ledger = Ledger(rig.client, "a group")
    ranges = [covering(0, 9)]
    mine = Guard(session_timeout_s=60)
    mine.epochs[TOPIC, 0] = ledger.claim([(TOPIC, 0)], "me")
    mine.check(ledger, ranges)
    silent = Guard(session_timeout_s=0.05)
    silent.epochs = mine.epochs
    silent.check(ledger, ranges)
    time.sleep(0.1)
    with pytest.raises(Fenced, match="no good poll"):
        silent.check(ledger, ranges)
    ledger.claim([(TOPIC, 1)], "somebody")
    mine.check(ledger, ranges)
    ledger.claim([(TOPIC, 0)], "somebody")
    time.sleep(EPOCH_HOLDS_S)
    with pytest.raises(Fenced, match="later epoch"):
        mine.check(ledger, ranges)
    revoked = Guard(session_timeout_s=60)
    revoked.revoke()
    with pytest.raises(Fenced, match="taken away"):
        revoked.check(ledger, ranges)


def test_a_worker_whose_partition_was_claimed_behind_its_back_starts_over_and_loses_nothing(rig: Rig) -> None:
    topic = rig.topics[REGISTER]
    with rig.worker():
        rig.done(register(mark("P0")))
        partition = rig.partition_of(URN)
        rig.ledger.claim([(topic.uuid, partition)], "a zombie")
        (fates,) = rig.done(register(mark("P0", "N"), submitted_at=at(1)))
    assert fates == [Fate("accepted")]
    assert rig.current()[URN, "P0", "AM"][1] == "N"
    rig.check()


def test_what_was_begun_and_is_done_by_another_is_superseded(rig: Rig) -> None:
    topic = rig.topics[REGISTER]
    with rig.worker():
        (place,) = rig.send(register(mark("P0")))
        rig.settle(place)
    zombie = LedgerRange(
        REGISTER, topic.uuid, place.partition, place.offset, place.offset, 9, 1, 1_757_000_000_000, 5, 1
    )
    rig.ledger.write("PENDING", [zombie], "a zombie's")
    with rig.worker():
        rig.done(register(mark("P1"), submitted_at=at(1)))
    states = rig.client.query(
        "SELECT toString(state) FROM ledger FINAL WHERE epoch = 9 AND first_offset = {o:UInt64}", {"o": place.offset}
    ).result_rows
    assert states == [("SUPERSEDED",)]
    rig.check()


def test_other_bytes_than_those_that_were_taken_stop_the_worker(rig: Rig) -> None:
    topic = rig.topics[REGISTER]
    (place,) = rig.send(register(mark("P0")))
    begun = LedgerRange(
        REGISTER, topic.uuid, place.partition, place.offset, place.offset, 1, 1, 1_757_000_000_000, 5, 1
    )
    rig.ledger.write("PENDING", [begun], "begun")
    with pytest.raises(LedgerError, match="bytes are not those taken"), rig.worker():
        rig.await_end()
    assert rig.client.query("SELECT count() FROM mark_event").result_rows == [(0,)]


def test_a_ledger_beyond_the_end_of_its_topic_stops_the_worker(rig: Rig) -> None:
    topic = rig.topics[REGISTER]
    (place,) = rig.send(register(mark("P0")))
    beyond = LedgerRange(REGISTER, topic.uuid, place.partition, place.offset, place.offset + 50, 1, 1, 0, 5, 1)
    rig.ledger.write("DONE", [beyond], "beyond")
    with pytest.raises(LedgerError, match="was it emptied"), rig.worker():
        rig.await_end()


def test_offsets_that_retention_took_stop_the_worker_until_it_is_told_to_go_on(rig: Rig) -> None:
    lost = rig.send(*(register(mark("P0"), submitted_at=at(i)) for i in range(3)))
    kept = rig.send(register(mark("P1")))[0]
    end = TopicPartition(REGISTER, kept.partition, kept.offset)
    for future in rig.admin.delete_records([end]).values():
        future.result()
    named = f"offsets {lost[0].offset} to {lost[2].offset} were taken by retention"
    with pytest.raises(LedgerError, match=named), rig.worker():
        rig.await_end()
    with rig.worker(skip_lost=True):
        rig.settle(kept)
    assert rig.fates(kept) == [Fate("accepted")]
    recorded = rig.client.query(
        "SELECT sum(no_record), min(first_offset), max(last_offset) FROM ledger FINAL"
        " WHERE no_record > 0 AND state = 'DONE' AND consumer_group = {g:String}", {"g": rig.settings.worker.group},
    ).result_rows  # fmt: skip
    assert recorded == [(3, lost[0].offset, lost[2].offset)]
    rig.check()


def test_knowledge_time_never_runs_back_for_a_partition_rule_9(rig: Rig) -> None:
    ahead_ms = int(time.time() * 1000) + 3_600_000
    topic = rig.topics[REGISTER]
    partition = rig.partition_of(URN)
    offset = rig.send_raw((REGISTER, b"x", None), partition=partition)[0].offset
    rig.ledger.write(
        "DONE", [LedgerRange(REGISTER, topic.uuid, partition, offset - 1, offset, 1, 1, ahead_ms, 0, 1)], "ahead"
    )
    with rig.worker():
        rig.done(register(mark("P0")), page(record("r", "P1")))
    known = rig.client.query(
        "SELECT toUnixTimestamp64Milli(ingested_at) FROM mark_event WHERE partition = {p:UInt16}", {"p": partition}
    ).result_rows
    assert all(at_ms >= ahead_ms for (at_ms,) in known)

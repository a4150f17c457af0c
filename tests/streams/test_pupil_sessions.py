"""Which mark came alone: the first of its pupil and session, and never one that anything came before."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.pupil_sessions import PupilSessions
from tests.streams.lab import Lab
from tests.streams.messages import Here, at, mark, page, record, register
from tests.streams.rig import Rig
from tests.streams.test_suppression import in_batches, messages, splits

ROOM = 1 << 20


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=40), max_size=8))
def test_a_key_that_was_met_is_never_first_again(batches: list[list[int]]) -> None:
    sessions, met = PupilSessions(), set[int]()
    for batch in batches:
        for key, first in zip(batch, sessions.first(np.array(batch, np.uint64)), strict=True):
            assert not (first and key in met)
            met.add(key)


def test_few_firsts_are_missed_and_a_full_filter_forgets_nothing() -> None:
    keys = np.random.default_rng(1).integers(0, 2**64, 4 * ROOM, dtype=np.uint64)
    sessions = PupilSessions(ROOM)
    missed = sum(int((~sessions.first(part)).sum()) for part in np.split(keys, 16))
    assert missed < len(keys) / 100_000
    assert not sessions.first(keys).any()


def test_a_worker_that_learns_a_whole_day_at_once_still_tells_firsts() -> None:
    keys = np.random.default_rng(2).integers(0, 2**64, 4 * ROOM, dtype=np.uint64)
    sessions = PupilSessions()
    sessions.learn(keys[: 3 * ROOM])
    assert not sessions.first(keys[: 3 * ROOM]).any()
    missed = int((~sessions.first(keys[3 * ROOM :])).sum())
    assert missed < ROOM / 100_000


@settings(max_examples=30, deadline=None)
@given(messages, splits)
def test_of_a_pupil_and_session_at_most_the_first_is_alone(sent: list[dict[str, Any]], sizes: list[int]) -> None:
    lab = Lab()
    for batch in in_batches(sent, sizes):
        lab.take(*batch)
        if len(batch) % 2:
            lab.restart()
    met: set[tuple[Any, ...]] = set()
    for event in lab.tables.events:
        if not event["period"] and not event["superseded"]:
            where = (event["urn"], event["session_date"], event["session"], event["pupil_id"])
            assert not (event["alone"] and where in met)
            met.add(where)
        else:
            assert not event["alone"]


def test_an_ordinary_first_mark_is_alone_and_what_follows_is_not() -> None:
    lab = Lab()
    lab.take(register(mark("P0"), mark("P1")), register(mark("P0", "L"), submitted_at=at(5)))
    lab.take(page(record("a", "P1", "I"), record("b", "P2", "I")))
    assert [event["alone"] for event in lab.tables.events] == [True, True, False, False, True]


def test_a_first_mark_stands_before_anything_is_derived_and_the_rule_stands_before_it(working: Rig) -> None:
    """The row of the view has the bit of the rule clear: whatever the rule says stands before it."""
    versions = "SELECT raw_code, bitTest(toUInt64(derived_version), 63) FROM mark_current WHERE urn ="
    working.done(register(mark("P0", "N")))
    assert working.here(versions) == [("N", 0)]
    working.done(page(record("a", "P0", "I"), taken_at=at(1)))
    assert ("I", 1) in working.here(versions)
    assert working.current()[Here.urn, "P0", "AM"] == ("mis", "I", "I")

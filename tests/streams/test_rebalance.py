"""Several workers in one group: who joins, leaves, dies or sleeps changes no outcome (design 8)."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from sinks import reference
from tests.reference.conftest import applied, calendar, pupil, roster, school
from tests.streams.messages import at, mark, register
from tests.streams.rig import PATIENCE_S, Rig

#: Schools enough to lie in most partitions.
URNS = range(710_001, 710_031)
REFS = [f"P{i}" for i in range(4)]


def settle_in(rig: Rig) -> None:
    known = [
        one
        for urn in URNS
        for one in (
            applied("school", school(urn)),
            applied("roster", roster(urn, *(pupil(f"mis:{ref}") for ref in REFS))),
            applied("calendar", calendar(urn)),
        )
    ]
    reference.apply(rig.client, known)


def round_of(number: int, code: str = "/") -> list[dict[str, Any]]:
    """One register a school; every mark is news."""
    return [register(*(mark(ref, code) for ref in REFS), urn=urn, submitted_at=at(number)) for urn in URNS]


def owners(rig: Rig) -> set[str]:
    """Workers that hold the latest epoch of some partition."""
    rows = rig.client.query(
        "SELECT argMax(worker, epoch) FROM epoch_claim WHERE consumer_group = {g:String} GROUP BY topic_id, partition",
        {"g": rig.settings.worker.group},
    ).result_rows
    return {worker for (worker,) in rows}


def await_owners(rig: Rig, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(owners(rig)) != count:
        assert time.monotonic() < deadline, owners(rig)
        time.sleep(0.1)


def all_there(rig: Rig, rounds: int) -> None:
    """Each round's marks once in the history, the last round's code in force, all identities."""
    deliveries = rig.client.query(
        "SELECT count(), uniqExact(event_id), countIf(superseded) FROM mark_event FINAL WHERE urn IN {u:Array(UInt32)}",
        {"u": list(URNS)},
    ).result_rows
    assert deliveries == [(rounds * len(URNS) * 4, rounds * len(URNS) * 4, 0)]
    codes = rig.client.query(
        "SELECT raw_code, count() FROM mark_current FINAL WHERE is_mark AND urn IN {u:Array(UInt32)} GROUP BY ALL",
        {"u": list(URNS)},
    ).result_rows
    assert codes == [("/" if rounds % 2 else "N", len(URNS) * 4)]
    rig.check()


def test_two_workers_share_the_partitions_and_one_that_leaves_hands_over(rig: Rig) -> None:
    settle_in(rig)
    with rig.worker():
        places = rig.send(*round_of(1))
        rig.settle(*places)
        await_owners(rig, 1)
        with rig.worker():
            await_owners(rig, 2)
            rig.settle(*rig.send(*round_of(2, "N")))
            places = rig.send(*round_of(3))
        rig.settle(*places)
        await_owners(rig, 1)
        rig.settle(*rig.send(*round_of(4, "N")))
    all_there(rig, 4)


def test_a_worker_that_is_killed_is_taken_over_from(rig: Rig) -> None:
    settle_in(rig)
    other = rig.process()
    try:
        rig.settle(*rig.send(*round_of(1)))
        with rig.worker(rig.settings_with(session_timeout_ms=3_000)):
            await_owners(rig, 2)
            places = rig.send(*round_of(2, "N"))
            other.kill()
            other.wait()
            rig.settle(*places, *rig.send(*round_of(3)))
    finally:
        other.kill()
        other.wait()
    all_there(rig, 3)


def test_a_worker_that_slept_until_the_group_had_moved_on_does_no_harm(rig: Rig) -> None:
    """The zombie: stopped in the middle of its work, it wakes with epochs that are no longer its own."""
    settle_in(rig)
    zombie = rig.process()
    try:
        rig.settle(*rig.send(*round_of(1)))
        places = rig.send(*round_of(2, "N"))
        os.kill(zombie.pid, signal.SIGSTOP)
        with rig.worker(rig.settings_with(session_timeout_ms=3_000)):
            rig.settle(*places)
            os.kill(zombie.pid, signal.SIGCONT)
            rig.settle(*rig.send(*round_of(3)))
            await_owners(rig, 2)
            rig.settle(*rig.send(*round_of(4, "N")))
        zombie.send_signal(signal.SIGTERM)
        assert zombie.wait(PATIENCE_S) == 0
    finally:
        zombie.kill()
        zombie.wait()
    all_there(rig, 4)

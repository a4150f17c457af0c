"""A server that is away, when the worker starts and later: it waits, says so, and loses nothing by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from rollcall.errors import ClickHouseError
from streams.catching_up import ReferenceBacklog
from tests.streams.door import Door
from tests.streams.messages import mark, register
from tests.streams.rig import PATIENCE_S, Fate, Rig


@pytest.fixture
def door(rig: Rig) -> Iterator[Door]:
    """Before ClickHouse, for the worker alone: the test itself asks the server."""
    made = Door(rig.settings.clickhouse.host, rig.settings.clickhouse.port)
    yield made
    made.shut()


def await_that(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_worker_that_starts_before_clickhouse_waits_for_it(rig: Rig, door: Door) -> None:
    settings = rig.settings_through(door.port)
    (place,) = rig.send(register(mark("P1")))
    with rig.worker(settings, reference_left=ReferenceBacklog(settings).left) as worker:
        await_that(lambda: "clickhouse" in worker.not_ready())
        door.open()
        rig.settle(place)
        await_that(lambda: not worker.not_ready())
    assert rig.fates(place) == [Fate("accepted")]
    rig.check()


def test_a_worker_survives_that_clickhouse_goes_away_and_comes_back(rig: Rig, door: Door) -> None:
    door.open()
    with rig.worker(rig.settings_through(door.port)):
        rig.settle(*rig.send(register(mark("P1"))))
        door.shut()
        places = rig.send(register(mark("P2")), register(mark("P3")))
        time.sleep(1.0)  # so that it meets the shut door in the middle of its work
        door.open()
        rig.settle(*places)
    assert [rig.fates(place) for place in places] == [[Fate("accepted")]] * 2
    rig.check()


def test_a_database_that_nobody_made_ends_the_worker_with_what_is_wrong(rig: Rig) -> None:
    nowhere = rig.settings.model_copy(
        update={"clickhouse": rig.settings.clickhouse.model_copy(update={"database": "nowhere"})}
    )
    with pytest.raises(ClickHouseError, match=r"refuses.*nowhere"), rig.worker(nowhere):
        rig.await_end()

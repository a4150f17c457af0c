"""The pulls agent on real Kafka: what it hands on, and that nothing is done before it is done."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

import schemas
from schemas import wire
from streams.agents.pulls import TOPIC, Done, PullsAgent
from tests.streams.agents_at_work import at_work, await_that
from tests.streams.rig import Rig

_urns = itertools.count(780_001)


class Noted:
    """A puller that notes what it is asked for; `held` keeps it from ending."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, datetime]] = []
        self.among: list[float] = []
        self.held = threading.Event()
        self.held.set()
        self.closed = False

    async def pull(self, records: Sequence[Mapping[str, Any]], among: float) -> list[Done]:
        self.asked += [(record["urn"], record["tick"]) for record in records]
        self.among.append(among)
        while not self.held.is_set() and not self.closed:
            await asyncio.sleep(0.02)
        return [Done(record["source"], record["school"], "pulled") for record in records]

    async def close(self) -> None:
        self.closed = True

    def ticks(self, urn: int) -> list[int]:
        """The minutes of a school's ticks, in the order they came."""
        return [tick.minute for asked, tick in self.asked if asked == urn]


@pytest.fixture
def urn() -> int:
    return next(_urns)


@pytest.fixture
def group(rig: Rig) -> str:
    return f"pulls-{rig.database}"


def ask(rig: Rig, urn: int, *minutes: int) -> None:
    records = [
        {
            "request_id": f"{urn}-{minute}", "installation": "test", "source": "wonde", "school": f"A{urn}", "urn": urn,
            "tick": datetime(2025, 9, 10, 9, minute, tzinfo=UTC), "what": "marks", "window_from": None,
            "window_to": None, "snapshot": None, "expires_at": None,
        }
        for minute in minutes
    ]  # fmt: skip
    schema, schema_id = schemas.parsed(TOPIC), rig.ids[TOPIC]
    rig.send_raw(*((TOPIC, str(urn).encode(), wire.encode(schema, schema_id, one)) for one in records))


def test_requests_are_handed_on_in_order_and_one_that_is_none_keeps_nothing_from_them(
    rig: Rig, group: str, urn: int
) -> None:
    puller = Noted()
    with at_work(rig.settings, PullsAgent(rig.settings, puller), group):
        rig.send_raw((TOPIC, str(urn).encode(), b"\0\0\0\0\1 no request"), (TOPIC, str(urn).encode(), None))
        ask(rig, urn, 1, 2, 3)
        await_that(lambda: puller.ticks(urn) == [1, 2, 3])
    assert puller.closed
    assert puller.among[-1] == 1.0


def test_what_was_not_done_when_it_stopped_is_done_by_the_next(rig: Rig, group: str, urn: int) -> None:
    first, second = Noted(), Noted()
    with at_work(rig.settings, PullsAgent(rig.settings, first), group):
        ask(rig, urn, 1)
        await_that(lambda: first.ticks(urn) == [1])
        first.held.clear()
        ask(rig, urn, 2)
        await_that(lambda: first.ticks(urn) == [1, 2])
    with at_work(rig.settings, PullsAgent(rig.settings, second), group):
        await_that(lambda: 2 in second.ticks(urn))


def test_two_share_the_schools_and_the_rate(rig: Rig, group: str) -> None:
    urns = [next(_urns) for _ in range(24)]
    pullers = [Noted(), Noted()]
    first, second = (PullsAgent(rig.settings, puller) for puller in pullers)
    with at_work(rig.settings, first, group), at_work(rig.settings, second, group):
        minutes = itertools.count(1)

        def shared() -> bool:
            minute = next(minutes) % 60
            for one in urns:
                ask(rig, one, minute)
            return all(puller.among and 0 < puller.among[-1] < 1 for puller in pullers)

        await_that(shared)
        assert sum(puller.among[-1] for puller in pullers) == pytest.approx(1.0)

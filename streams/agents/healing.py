"""The healing agent: hears of reference data as it comes, and starts the sweep at once (streams/healing.py).

It is only ever the faster one: the reference loader sweeps by itself, soon after and once in a while. So what the agent
does not get done, because Kafka is away or the loader is far behind, is left to that sweep; and both at once send an
entry twice at worst, which counts once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from rollcall.errors import KafkaError
from rollcall.settings import Settings
from sinks import reference
from sinks.clickhouse import connect
from streams.agents.harness import Agent, Arrived
from streams.agents.reading import described
from streams.healing import Healing
from streams.reference_messages import KINDS

__all__ = ["HealingAgent"]

_log = structlog.get_logger()

#: How long the loader may take to apply what was heard of (s), and between two looks whether it has.
_PATIENCE_S, _LOOK_EVERY_S = 60.0, 0.2


class HealingAgent(Agent):
    """See the module. One process is enough; several sweep more often than is of use."""

    name = "healing"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._healing: Healing | None = None
        self._ids: dict[str, str] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """Reference data that a refusal may be about. A code is never refused for want of a map (rule 2)."""
        return tuple(topic for topic, kind in KINDS.items() if kind != "code-map")

    async def handle(self, batch: Sequence[Arrived]) -> None:
        """Wait until the loader has applied what was heard of, then sweep."""
        await asyncio.to_thread(self._ready)
        reached: dict[tuple[str, int], int] = {}
        for one in batch:
            place = (self._ids[one.topic], one.partition)
            reached[place] = max(reached.get(place, 0), one.offset + 1)
        deadline = time.monotonic() + _PATIENCE_S
        while not await asyncio.to_thread(self._applied, reached):
            if self.harness.stopping or time.monotonic() > deadline:
                _log.warning("healing_left_to_the_sweep", why="the reference loader has not applied what came")
                return
            await asyncio.sleep(_LOOK_EVERY_S)
        try:
            await asyncio.to_thread(self._sweep)
        except KafkaError as error:
            _log.warning("healing_left_to_the_sweep", why=str(error))

    def close(self) -> None:
        """Give connections back."""
        if self._healing is not None:
            self._healing.close()
            self._client.close()

    def _ready(self) -> None:
        if self._healing is None:
            self._ids = {topic: str(described(self._settings, topic).topic_id) for topic in self.topics}
            self._client = connect(self._settings.clickhouse)
            self._healing = Healing(self._settings, self._client)

    def _applied(self, reached: dict[tuple[str, int], int]) -> bool:
        positions = reference.applied_positions(self._client)
        return all(positions.get(place, 0) >= offset for place, offset in reached.items())

    def _sweep(self) -> None:
        assert self._healing is not None
        self._healing.sweep()

"""The pulls agent: requests on `connector.pull-request.v1` are done by asking the schools' sources over HTTP.

All pulls of a batch are under way at once, each within its source's rate limit; what they read goes to Kafka page by
page, each acknowledged, and moves the school's cursor in the end. The batch is done when every request of it was
pulled, or reported as one that could not be. What pulls are is the connectors' to know: this gives them the requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import structlog

from rollcall import metrics
from rollcall.settings import Settings
from streams.agents.harness import Agent, Arrived, Harness
from streams.agents.reading import Reading, Unreadable, described

__all__ = ["TOPIC", "Done", "Puller", "PullsAgent"]

_log = structlog.get_logger()

TOPIC = "connector.pull-request.v1"


class Done(NamedTuple):
    """What became of one request: `outcome` as the metric has it, `why` one line for a person."""

    source: str
    school: str
    outcome: str
    why: str = ""


class Puller(Protocol):
    """Does what requests ask for (`connectors.requested`)."""

    async def pull(self, records: Sequence[Mapping[str, Any]], among: float) -> Sequence[Done]:
        """Do all of them side by side; one answer for each. among: the part of all schools that falls to this process.

        Raises nothing for a request that fails. May be called again with the same records, here or elsewhere.
        """

    async def close(self) -> None:
        """Give connections back."""


class PullsAgent(Agent):
    """See the module. One process of a group, of any number up to the partitions; all of one home folder."""

    name = "pulls"
    topic = TOPIC

    def __init__(self, settings: Settings, puller: Puller) -> None:
        self._settings, self._puller = settings, puller
        self._reading = Reading(TOPIC, settings.registry.url)
        self._partitions = 0
        self._left = False

    async def begin(self, harness: Harness) -> None:
        """Learn how many partitions there are to share. Raises KafkaError when there is no such topic."""
        await super().begin(harness)
        self._partitions = len((await asyncio.to_thread(described, self._settings, TOPIC)).partitions)

    async def handle(self, batch: Sequence[Arrived]) -> None:
        """Pull, and report each request."""
        records, unreadable = await asyncio.to_thread(self._read, batch)
        among = max(1, self.harness.partitions) / self._partitions
        done = await self._puller.pull(records, among)
        if self._left:
            await asyncio.Event().wait()  # connections were closed under it: nothing of this batch is done
        counted = Counter(one.outcome for one in done)
        for outcome, count in (*counted.items(), ("unreadable", unreadable)):
            metrics.PULL_REQUESTS.labels(outcome=outcome).inc(count)
        for one in done:
            if one.why:
                _log.warning(
                    "pull_request_not_done", connector=one.source, school=one.school, outcome=one.outcome, why=one.why
                )
        _log.info("pull_requests_done", requests=len(batch), **counted)

    async def leave(self) -> None:
        """Close what the pulls hold open."""
        self._left = True
        await self._puller.close()

    def close(self) -> None:
        """Give connections back."""
        self._reading.close()

    def _read(self, batch: Sequence[Arrived]) -> tuple[list[Mapping[str, Any]], int]:
        """The requests, and how many messages are none: they ask for nothing, so nothing of them is kept."""
        read = []
        for message in batch:
            record = self._reading.record(message)
            if isinstance(record, Unreadable):
                _log.error(
                    "pull_request_unreadable", topic=message.topic, partition=message.partition, offset=message.offset,
                    reason=record.reason,
                )  # fmt: skip
            else:
                read.append(record)
        return read, len(batch) - len(read)

"""The alerts agent: says on `attendance.alert.v1` what a person should look at. What each means: docs/runbook.md.

It looks at the tables now and then, and says what it finds once. What it has said it forgets when it dies, and says
again: an alert's id is a function of what it is about, so whoever listens sees the same alert.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import structlog

from rollcall import metrics
from rollcall.domain.clock import now
from rollcall.settings import Settings
from schemas.encoding import Encoder
from sinks import alerts
from sinks.clickhouse import connect
from streams.agents.harness import Agent

__all__ = ["TOPIC", "AlertsAgent", "alert_id", "to_record"]

_log = structlog.get_logger()

TOPIC = "attendance.alert.v1"
#: Ids of alerts are UUIDs made in this namespace out of kind, subject and window.
_ALERTS = UUID("c6f0f7de-8f3c-5f53-9b0f-6a4f6a2d9e21")


class AlertsAgent(Agent):
    """See the module. One process is enough; several say the same alerts."""

    name = "alerts"

    def __init__(self, settings: Settings, *, every_s: float = 60.0, clock: Callable[[], datetime] = now) -> None:
        """every_s: seconds between two looks. clock: what time it is, UTC."""
        self._settings, self._clock = settings, clock
        self.every_s = every_s
        self._encoder = Encoder(settings.registry.url)
        self._client: Any = None
        self._said: set[str] = set()

    async def act(self) -> None:
        """Look, and say what was not said yet; remembered only when Kafka has acknowledged it."""
        found = await asyncio.to_thread(self._look)
        news = {alert_id(one): one for one in found if alert_id(one) not in self._said}
        await self.harness.send(
            TOPIC, [(str(one.urn).encode(), self._encoder.encode(TOPIC, to_record(one))) for one in news.values()]
        )
        # What is not found any more is over; should it come back, it is said again, under the same id.
        self._said = {alert_id(one) for one in found}
        for one in news.values():
            metrics.ALERTS.labels(kind=one.kind).inc()
            _log.warning(
                "alert", kind=one.kind, urn=one.urn, session=one.session, group_id=one.group_id, source=one.source,
                reason=one.reason, found=one.found,
            )  # fmt: skip

    def close(self) -> None:
        """Give connections back."""
        if self._client is not None:
            self._client.close()

    def _look(self) -> list[alerts.Found]:
        self._encoder.ready()
        if self._client is None:
            self._client = connect(self._settings.clickhouse)
        return alerts.found(self._client, self._clock())


def alert_id(found: alerts.Found) -> str:
    """The id of a finding: a function of its kind, subject and window."""
    return str(uuid5(_ALERTS, "\n".join(found.subject)))


def to_record(found: alerts.Found) -> dict[str, Any]:
    """The record for `attendance.alert.v1`."""
    return {"alert_id": alert_id(found), **found._asdict()}

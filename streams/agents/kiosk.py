"""The kiosk agent: sign-ins on `attendance.kiosk.v1` become evidence on `attendance.evidence.v1`; every event is kept.

Of an event follow, in this order: its evidence, if it gives any, acknowledged by Kafka; its row in kiosk_event; and
for one that cannot be read, its place and bytes in quarantine. Evidence comes of a sign-in of somebody who may be a
pupil, at a school with a timetable for that session (`streams/agents/evidence.py`). Sign-outs and visitors are facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from rollcall import metrics
from rollcall.domain.clock import london_date
from rollcall.domain.upn import SCHEME, SCHEME_INVALID
from rollcall.settings import Settings
from schemas import wire
from schemas.encoding import Encoder
from sinks import kiosks, reference
from sinks.clickhouse import connect
from streams.agents import evidence
from streams.agents.harness import Agent, Arrived, Harness
from streams.agents.reading import Reading, Unreadable, described
from streams.agents.timetables import Timetables
from streams.frames import EVIDENCE

__all__ = ["TOPIC", "KioskAgent"]

_log = structlog.get_logger()

TOPIC = "attendance.kiosk.v1"
#: Years that a table's Date can hold, whole.
_FIRST_YEAR, _NO_YEAR = 1971, 2149
#: Who is named in these is said to be a pupil: evidence is sent, and refused by the worker (for now) where the roster
#: does not know them. In a kiosk's own scheme anybody may be named: only whom a roster knows is a pupil.
_PUPILS = frozenset({"mis", SCHEME, SCHEME_INVALID})


class _Read(NamedTuple):
    """An event that could be read, and the message it came in."""

    message: Arrived
    event: Mapping[str, Any]


class KioskAgent(Agent):
    """See the module. One process of a group, of any number up to the partitions."""

    name = "kiosk"
    topic = TOPIC

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reading = Reading(TOPIC, settings.registry.url)
        self._encoder = Encoder(settings.registry.url)
        self._timetables = Timetables()
        self._client: Any = None
        self._topic_id = ""

    async def begin(self, harness: Harness) -> None:
        """Learn the topic's UUID, under which refusals are kept. Raises KafkaError when there is no such topic."""
        await super().begin(harness)
        self._topic_id = str((await asyncio.to_thread(described, self._settings, TOPIC)).topic_id)

    async def handle(self, batch: Sequence[Arrived]) -> None:
        """Evidence, then facts and refusals, of a batch."""
        read, refused = await asyncio.to_thread(self._read, batch)
        said = await asyncio.to_thread(self._judge, [one.event for one in read])
        values = [
            (str(event["urn"]).encode(), self._encoder.encode(EVIDENCE, evidence.to_record(event, what)))
            for (_, event), what in zip(read, said, strict=True)
            if what is not None
        ]
        await self.harness.send(EVIDENCE, values)
        await asyncio.to_thread(self._keep, read, said, refused)
        for outcome, count in (
            ("evidence", len(values)), ("fact", len(read) - len(values)), ("refused", len(refused)),
        ):  # fmt: skip
            metrics.KIOSK_EVENTS.labels(outcome=outcome).inc(count)

    def close(self) -> None:
        """Give connections back."""
        self._reading.close()
        if self._client is not None:
            self._client.close()

    # ---- in a thread of its own: what blocks

    def _connected(self) -> Any:
        if self._client is None:
            self._client = connect(self._settings.clickhouse)
        return self._client

    def _read(self, batch: Sequence[Arrived]) -> tuple[list[_Read], list[reference.Refused]]:
        """Events of a batch, and the messages that are none. Raises RegistryAway: then nobody can say."""
        self._encoder.ready()
        read: list[_Read] = []
        refused: list[reference.Refused] = []
        for message in batch:
            event = self._event(message)
            if isinstance(event, reference.Refused):
                refused.append(event)
            else:
                read.append(_Read(message, event))
        return read, refused

    def _event(self, message: Arrived) -> Mapping[str, Any] | reference.Refused:
        event = self._reading.record(message)
        if isinstance(event, Unreadable):
            return self._refuse(message, *event)
        schema_id = wire.schema_id(message.value or b"")
        if event["urn"] <= 0:
            return self._refuse(message, "unknown_school", "the URN is no URN", schema_id)
        if not all(_FIRST_YEAR <= event[name].year < _NO_YEAR for name in ("event_at", "pushed_at") if event[name]):
            return self._refuse(message, "bad_date", "event_at or pushed_at is no instant of ours", schema_id)
        return event

    def _refuse(self, message: Arrived, reason: str, detail: str, schema_id: int = 0) -> reference.Refused:
        return reference.Refused(
            reason=reason,
            detail=detail,
            topic=message.topic,
            topic_id=self._topic_id,
            partition=message.partition,
            offset=message.offset,
            key=message.key or b"",
            value=message.value,
            schema_id=schema_id,
            produced_at=message.arrived_at,
        )

    def _judge(self, events: Sequence[Mapping[str, Any]]) -> list[evidence.Said | None]:
        """What each event says of a session, None for one that says nothing."""
        client = self._connected()
        self._timetables.look(client)
        said = [
            evidence.what_it_says(
                event["event_at"], self._timetables.windows(event["urn"], london_date(event["event_at"]))
            )
            if event["direction"] == "in"
            else None
            for event in events
        ]
        asked = {
            _named(event)
            for event, what in zip(events, said, strict=True)
            if what is not None and event["scheme"] not in _PUPILS
        }
        known = reference.named(client, asked)
        return [
            what if event["scheme"] in _PUPILS or _named(event) in known else None
            for event, what in zip(events, said, strict=True)
        ]

    def _keep(
        self, read: Sequence[_Read], said: Sequence[evidence.Said | None], refused: Sequence[reference.Refused]
    ) -> None:
        client = self._connected()
        facts = [
            kiosks.Fact(event, "" if what is None else evidence.submission_id(event), message.arrived_at)
            for (message, event), what in zip(read, said, strict=True)
        ]
        kiosks.keep(client, facts)
        reference.refuse(client, refused, "kiosk")
        if refused:
            _log.warning("kiosk_events_refused", events=len(refused), reasons=sorted({one.reason for one in refused}))


def _named(event: Mapping[str, Any]) -> tuple[int, str, str]:
    return int(event["urn"]), str(event["scheme"]), str(event["person_ref"])

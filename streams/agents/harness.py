"""Faust, held so that it does what the agents promise. Each setting here closes a trap that was met (docs/design.md).

The promise of every agent: a message is committed only when all that follows from it was acknowledged by Kafka and
stands in ClickHouse; what follows carries ids that are a function of the message; nothing an agent remembers decides
whether it sends. So whoever is killed anywhere is repeated by the next one, with the same ids.

1. Read a batch. `noack_take`: `take` and plain iteration mark a message as done even when its handler failed.
2. Handle it: send, wait for every acknowledgement, then write what is kept. A part that is away is waited for.
3. Only then mark its messages as done, in order; Faust commits them in the background, and once more when it stops.
A failure that waiting does not mend ends the process; nothing of its batch is marked, so it is read again.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiokafka.errors
import confluent_kafka
import faust
import structlog

from rollcall.errors import ClickHouseError, KafkaError, SchemaError
from rollcall.settings import Settings
from schemas.registry import RegistryAway, SchemaRefused
from sinks.clickhouse import ClickHouseAway, first_line, is_passing
from streams.agents.credentials import credentials

__all__ = ["Agent", "Arrived", "Harness"]

_log = structlog.get_logger()

#: Messages of a batch, and how long one stays open (s). A batch costs an acknowledgement and an insert, not an event.
_BATCH, _LINGER_S = 500, 0.1
#: How often Faust commits what is done (s): what a killed agent may have to repeat.
_COMMIT_EVERY_S = 1.0
#: Between two tries of something that is away (s), growing up to the second.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
#: How long leaving may take (s): the last commit and the group's goodbye.
_GRACE_S = 20.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Arrived(NamedTuple):
    """A message as Kafka gave it. `arrived_at` is Kafka's timestamp, UTC."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    arrived_at: datetime


class Agent(ABC):
    """What one agent does. `topic` is what it reads, None for one that only acts now and then."""

    name: str
    topic: str | None = None
    #: Seconds between two calls of `act`; 0: never.
    every_s: float = 0.0

    @property
    def topics(self) -> tuple[str, ...]:
        """All that it reads; `topic` alone unless it says otherwise."""
        return () if self.topic is None else (self.topic,)

    async def begin(self, harness: Harness) -> None:
        """Called once, before anything is read. `harness` sends and waits for it."""
        self.harness = harness

    async def handle(self, batch: Sequence[Arrived]) -> None:
        """Do all that follows from a batch; returning says that it is done and may be committed.

        May be called again with the same messages, by this process or another: whatever it sends must carry the same
        ids then. Raises what the harness waits for (a part that is away), or what ends the process.
        """
        raise NotImplementedError

    async def act(self) -> None:
        """Look at the world now, and say what is to be said. Repeated like `handle`."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Called once when nothing more is handled, before `close`: what can only be given back in the loop."""
        return

    @abstractmethod
    def close(self) -> None:
        """Give connections back."""


class Harness:
    """One agent at work, until `stop`."""

    def __init__(self, settings: Settings, agent: Agent, *, group: str | None = None) -> None:
        """group: consumer group, `rollcall-<name>` when None. All processes of a group share the partitions."""
        self._settings, self._agent = settings, agent
        self._group = group or f"rollcall-{agent.name}"
        self._told_to_stop = threading.Event()
        self._failure: BaseException | None = None
        self._app: Any = None
        self._working = False
        self._away = ""

    def stop(self) -> None:
        """Finish the batch in hand and return from `run`. From any thread, or a signal handler."""
        self._told_to_stop.set()

    @property
    def stopping(self) -> bool:
        """Told to stop, or unable to go on."""
        return self._told_to_stop.is_set()

    @property
    def partitions(self) -> int:
        """How many partitions of the agent's topics are this process's now."""
        if self._app is None:
            return 0
        return sum(one.topic in self._agent.topics for one in self._app.consumer.assignment())

    def not_ready(self) -> dict[str, str]:
        """What keeps the agent from its work, empty when nothing does (/readyz)."""
        if self._away:
            return {self._away: "away; what is in hand waits"}
        return {} if self._working else {"agent": "is starting"}

    def run(self) -> None:
        """Work until `stop`. Blocks. Raises what ended the agent: RollcallError where a person can do something."""
        asyncio.run(self._run())
        if self._failure is not None:
            raise self._failure

    async def send(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Put (key, value) on a topic; returns when Kafka has acknowledged every one.

        Raises aiokafka's errors; some may be there then, and sending all again is what the harness does.
        """
        channel = self._app.topic(topic, key_serializer="raw", value_serializer="raw")
        promises = [await channel.send(key=key, value=value) for key, value in messages]
        for promise in promises:
            await promise

    # ---- the loop

    async def _run(self) -> None:
        with tempfile.TemporaryDirectory(prefix="rollcall-agent-") as scratch:
            self._app = app = self._make(scratch)
            work = None
            try:
                if not await self._patiently(lambda: self._agent.begin(self)):
                    return
                await app.start()
                self._working = True
                _log.info("agent_started", agent=self._agent.name, group=self._group)
                if self._agent.every_s:
                    work = asyncio.create_task(self._now_and_then())
                while not self._told_to_stop.is_set():
                    if app.crashed:
                        self._fail(_broken(app))
                    await asyncio.sleep(0.1)
            except (aiokafka.errors.KafkaError, ConnectionError) as error:
                self._fail(KafkaError(f"Kafka does not let the agent start ({type(error).__name__}): is it running?"))
            finally:
                self._working = False
                if work is not None:
                    work.cancel()
                    with suppress(asyncio.CancelledError):
                        await work
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(app.stop(), _GRACE_S)
                await self._agent.leave()
                self._agent.close()
                _log.info("agent_stopped", agent=self._agent.name)

    async def _now_and_then(self) -> None:
        while not self._told_to_stop.is_set():
            await self._patiently(self._agent.act)
            await asyncio.sleep(self._agent.every_s)

    async def _consume(self, stream: Any) -> None:
        async for events in stream.noack_take(_BATCH, within=_LINGER_S):
            batch = [_arrived(event.message) for event in events]
            if not await self._patiently(lambda batch=batch: self._agent.handle(batch)):
                await asyncio.Event().wait()  # until the process ends: nothing of this batch may be marked as done
            for event in events:
                await stream.ack(event)

    async def _patiently(self, act: Any) -> bool:
        """Do it, again and again while a part is away. False when it cannot be done: the process then ends."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await act()
            except Exception as error:  # noqa: BLE001 - sorted below: waited for, or the end of the process
                who = _who_is_away(error)
                if who is None:
                    self._fail(_named(error))
                    return False
                if self._told_to_stop.is_set():
                    return False
                if not self._away:
                    _log.warning("agent_waits", agent=self._agent.name, away=who, error=type(error).__name__)
                self._away = who
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                if self._away:
                    _log.info("agent_goes_on", agent=self._agent.name)
                    self._away = ""
                return True

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._told_to_stop.set()

    # ---- Faust

    def _make(self, scratch: str) -> Any:
        settings, agent = self._settings, self._agent
        session_s = settings.worker.session_timeout_ms / 1000
        app = faust.App(
            self._group,
            broker=";".join(f"kafka://{one.strip()}" for one in settings.kafka.bootstrap.split(",")),
            broker_credentials=credentials(settings.kafka),
            broker_session_timeout=session_s,
            broker_heartbeat_interval=max(session_s / 4, 0.2),
            broker_commit_interval=_COMMIT_EVERY_S,
            consumer_auto_offset_reset="earliest",
            processing_guarantee="at_least_once",  # exactly_once is broken upstream
            producer_acks=-1,
            store="memory://",  # and no table: one that decides whether to send loses output on kill -9
            datadir=scratch,
            web_enabled=False,  # it would listen on every interface, and serve tables
            topic_allow_declare=False,  # topics are made by `rollcall topics apply`
            topic_disable_leader=True,
            stream_wait_empty=False,  # a rebalance waits for nobody; what is in hand is repeated by its next owner
            key_serializer="raw",
            value_serializer="raw",
        )
        if not agent.topics:
            app.producer_only = True  # a consumer without a topic breaks down
        else:
            topic = app.topic(
                *agent.topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
            )
            # More than one at a time commits past messages in flight.
            app.agent(topic, name=agent.name, concurrency=1)(self._consume)
        return app


def _arrived(message: Any) -> Arrived:
    at = _EPOCH + timedelta(milliseconds=round(message.timestamp * 1000))
    return Arrived(message.topic, message.partition, message.offset, message.key, message.value, at)


def _who_is_away(error: Exception) -> str | None:
    """What is to be waited for; None when waiting does not help."""
    if isinstance(error, RegistryAway):
        return "registry"
    if isinstance(error, confluent_kafka.KafkaException):
        return "kafka" if error.args[0].retriable() or error.args[0].code() < 0 else None
    if isinstance(error, aiokafka.errors.KafkaError):
        return "kafka" if error.retriable or isinstance(error, aiokafka.errors.KafkaTimeoutError) else None
    if isinstance(error, ClickHouseAway):
        return "clickhouse"
    return "clickhouse" if is_passing(error) else None


def _named(error: Exception) -> Exception:
    """The same as an error a person can act on, where there is one."""
    if isinstance(error, aiokafka.errors.KafkaError):
        return KafkaError(f"Kafka refuses: {type(error).__name__}")
    if isinstance(error, SchemaRefused):
        return SchemaError(str(error))
    if type(error).__module__.startswith("clickhouse_connect"):
        return ClickHouseError(f"ClickHouse refuses: {first_line(error)}")
    return error


def _broken(app: Any) -> KafkaError:
    """Faust's client of Kafka gave up. Its reason is named by its class: a message may quote what it read."""
    reason = type(app.crash_reason or app).__name__
    return KafkaError(f"the connection to Kafka broke down ({reason}): start the agent again")

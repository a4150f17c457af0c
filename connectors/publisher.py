"""The one way anything reaches Kafka: an idempotent producer that says when a message is really there.

`publish` hands a message over and gives a promise of its place; nobody may tell a sender "accepted", or move a cursor,
before that promise is kept. Messages of one key keep their order (one partition, idempotence, no reordering by retry).

What can go wrong, and how it shows:

- Kafka is away, or every replica is: `KafkaAway` after `delivery_seconds`. The message may still have arrived (the
  acknowledgement was lost), so whoever tries again may deliver it twice; downstream a repeat is a repeat.
- too many messages wait already: the caller waits for room (back-pressure), at most `delivery_seconds`.
- no such topic, not allowed, too large: `KafkaError`, at once; trying again cannot help.
- the producer itself is beyond use (a fatal error: its sequence is broken): its waiting messages fail with `KafkaAway`
  and the next call makes a new producer.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import confluent_kafka
import structlog

from rollcall.errors import KafkaError
from schemas.topics import PRODUCER

__all__ = ["Delivery", "KafkaAway", "Publisher"]

log = structlog.get_logger()

#: How long a full queue is left alone before it is tried again.
_ROOM_SECONDS = 0.005
#: How long Kafka's troubles are gathered before they are said again.
_TELL_SECONDS = 10.0
#: Errors that trying again cannot mend, with what to do. Everything else is "Kafka is away" and may be tried again.
_LASTING = {
    confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE: "the message is larger than the topic takes (max.message.bytes)",
    confluent_kafka.KafkaError._UNKNOWN_TOPIC: "there is no such topic: run `rollcall topics apply`",
    confluent_kafka.KafkaError._UNKNOWN_PARTITION: "there is no such partition: run `rollcall topics apply`",
    confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART: "there is no such topic: run `rollcall topics apply`",
    confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED: "Kafka does not let us write to it: check the ACLs",
    confluent_kafka.KafkaError._AUTHENTICATION: "Kafka does not know us: check ROLLCALL_KAFKA__SASL_*",
}


class KafkaAway(KafkaError):  # noqa: N818 - a state of the world, as the domain says it
    """Kafka did not acknowledge in time. Whether the message arrived is not known: send it again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where Kafka put a message. `offset` is None when Kafka knows that it has it, but no longer where."""

    topic: str
    partition: int
    offset: int | None


#: What became of a message: its place, or the error.
Outcome = Delivery | KafkaError


class Publisher:
    """An idempotent producer with promises. Safe to use from several threads and from asyncio; close it with `close`.

    client: brokers and security, as `settings.kafka.client_config()` gives them.
    delivery_seconds: how long a message may wait for its acknowledgement before `KafkaAway`.
    linger_ms: how long librdkafka gathers messages into one request; it is part of every sender's waiting time.
    waiting_messages: how many may wait at once before callers wait for room.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        *,
        delivery_seconds: float = 30.0,
        linger_ms: float = 2.0,
        waiting_messages: int = 20_000,
        client_id: str = "rollcall-publisher",
    ) -> None:
        self._delivery_seconds = delivery_seconds
        self._config: dict[str, Any] = {
            **client,
            "client.id": client_id,
            **PRODUCER,
            "linger.ms": linger_ms,
            "delivery.timeout.ms": max(int(delivery_seconds * 1000), int(linger_ms) + 1000),
            "queue.buffering.max.messages": waiting_messages,
            "queue.buffering.max.kbytes": 262_144,
            # A broker that comes back is met within half a second, not the default of up to ten.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            # A topic that is not there is said so after 3 s, not 30.
            "topic.metadata.propagation.max.ms": 3000,
            "error_cb": self._on_error,
            "log_level": 0,  # librdkafka's lines go to standard error, not into our log; errors come through error_cb
        }
        self._told_at, self._untold = -_TELL_SECONDS, 0
        self._waiting, self._counting = 0, threading.Lock()
        self._making = threading.Lock()
        self._producer: Any = confluent_kafka.Producer(self._config)
        self._broken = False
        self._closing = threading.Event()
        self._poller = threading.Thread(target=self._poll, name=client_id, daemon=True)
        self._poller.start()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, topic: str, key: bytes | None, value: bytes | None) -> concurrent.futures.Future[Delivery]:
        """Hand a message over; the future's result is its `Delivery`, or raises `KafkaAway` or `KafkaError`.

        Waits for room when the queue is full, at most `delivery_seconds`; then the future holds `KafkaAway`.
        """
        promise: concurrent.futures.Future[Delivery] = concurrent.futures.Future()

        def settle(outcome: Outcome) -> None:
            if isinstance(outcome, Delivery):
                promise.set_result(outcome)
            else:
                promise.set_exception(outcome)

        deadline = time.monotonic() + self._delivery_seconds
        while not self._hand_over(topic, key, value, settle):
            if time.monotonic() > deadline:
                settle(_no_room())
                break
            time.sleep(_ROOM_SECONDS)
        return promise

    async def deliver(self, topic: str, key: bytes | None, value: bytes | None) -> Delivery:
        """Publish from asyncio and wait for the acknowledgement.

        Raises KafkaAway (try again) or KafkaError (trying again cannot help).
        """
        loop = asyncio.get_running_loop()
        promise: asyncio.Future[Delivery] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if promise.done():  # the one who waited was cancelled
                return
            if isinstance(outcome, Delivery):
                promise.set_result(outcome)
            else:
                promise.set_exception(outcome)

        def settle_from_poller(outcome: Outcome) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, outcome)

        deadline = time.monotonic() + self._delivery_seconds
        while not self._hand_over(topic, key, value, settle_from_poller):
            if time.monotonic() > deadline:
                raise _no_room()
            await asyncio.sleep(_ROOM_SECONDS)
        return await promise

    def waiting(self) -> int:
        """How many messages have been handed over and not been acknowledged."""
        return self._waiting

    def flush(self, seconds: float = 30.0) -> None:
        """Wait until everything handed over is settled.

        Raises KafkaAway when some of it is not after `seconds`; their promises stay open until they are settled.
        """
        left = self._producer.flush(seconds)
        if left:
            raise KafkaAway(f"Kafka has not acknowledged {left} messages within {seconds:g} s: is it running?")

    def in_the_way(self, topic: str, seconds: float = 2.0) -> str | None:
        """Why a message for `topic` could not be delivered now; None when nothing stands in the way. Blocks."""
        try:
            known = self._producer.list_topics(topic, timeout=seconds).topics[topic]
        except confluent_kafka.KafkaException as error:
            return f"Kafka does not answer ({error.args[0].name()})"
        if known.error is not None:
            return f"topic {topic}: {known.error.name()}"
        if any(partition.leader < 0 for partition in known.partitions.values()):
            return f"topic {topic} has partitions without a leader"
        return None

    def close(self, seconds: float = 10.0) -> None:
        """Settle what is waiting, at most `seconds`, and stop. What is left then fails with `KafkaAway`."""
        if self._closing.is_set():
            return
        if self._producer.flush(seconds):
            self._producer.purge()
            self._producer.flush(1.0)
        self._closing.set()
        self._poller.join(timeout=5)

    def _hand_over(self, topic: str, key: bytes | None, value: bytes | None, settle: Callable[[Outcome], None]) -> bool:
        """False when there is no room; otherwise `settle` is called once, now or later."""

        def delivered(error: Any, message: Any) -> None:
            self._count(-1)
            if error is not None:
                settle(_named(error, topic))
                return
            offset = message.offset()
            settle(Delivery(topic, message.partition(), offset if offset is not None and offset >= 0 else None))

        if self._closing.is_set():
            settle(KafkaAway("the publisher is closed"))
            return True
        if self._broken:
            self._renew()
        self._count(1)
        try:
            self._producer.produce(topic, value=value, key=key, on_delivery=delivered)
        except BufferError:
            self._count(-1)
            return False
        except confluent_kafka.KafkaException as error:
            self._count(-1)
            settle(_named(error.args[0], topic))
        return True

    def _count(self, change: int) -> None:
        with self._counting:
            self._waiting += change

    def _renew(self) -> None:
        with self._making:
            if not self._broken:
                return
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer = confluent_kafka.Producer(self._config)
            self._broken = False
            log.warning("producer_renewed")

    def _on_error(self, error: Any) -> None:
        """Every failed connection comes here, many a second while Kafka is away: gathered into one line."""
        fatal = bool(error.fatal())
        if fatal:
            self._broken = True
        self._untold += 1
        now = time.monotonic()
        if fatal or now - self._told_at >= _TELL_SECONDS:
            log.warning("kafka_trouble", kafka_error=error.name(), fatal=fatal, times=self._untold)
            self._told_at, self._untold = now, 0

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)


def _no_room() -> KafkaAway:
    return KafkaAway("Kafka has not taken what is waiting already: is it running?")


def _named(error: Any, topic: str) -> KafkaError:
    what_to_do = _LASTING.get(error.code())
    if what_to_do is not None:
        return KafkaError(f"topic {topic}: {what_to_do}")
    return KafkaAway(f"topic {topic}: Kafka has not acknowledged ({error.name()}): is it running?")

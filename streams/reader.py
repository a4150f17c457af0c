"""Reading a topic's records by offset, outside any consumer group: for recovery."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as LibrdkafkaError

from rollcall.errors import KafkaError, LedgerError
from rollcall.logging import quiet_librdkafka
from rollcall.settings import KafkaSettings
from streams import replay_of
from streams.batch import Record, Topic

__all__ = ["RangeReader", "existing", "kept_from", "record_of", "tuned"]


def tuned(kafka: KafkaSettings) -> dict[str, Any]:
    """Consumer settings both the worker and recovery use; librdkafka's names, measured in docs/performance.md."""
    return {
        **kafka.client_config(),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # The default of 1000 ms stalls a consumer that is faster than the fetch queue.
        "fetch.queue.backoff.ms": 5,
        # A batch lingers longer than this anyway; a fetch for every message costs the broker a fifth more CPU.
        "fetch.wait.max.ms": 100,
        "fetch.min.bytes": 1_000_000,
        "queued.min.messages": 20_000,
        "queued.max.messages.kbytes": 65_536,
        "fetch.max.bytes": 16 * 1024 * 1024,
        "max.partition.fetch.bytes": 4 * 1024 * 1024,
        "message.max.bytes": 8 * 1024 * 1024,
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "topic.metadata.refresh.interval.ms": 30_000,
        "reconnect.backoff.max.ms": 1_000,
    }


def existing(name: str, answer: Future[Any]) -> Any:
    """The TopicDescription of a topic that must be there; ``answer``: its part of `AdminClient.describe_topics`.

    Raises KafkaError when there is no such topic, KafkaException when Kafka does not answer.
    """
    try:
        return answer.result()
    except KafkaException as e:
        if e.args[0].code() == LibrdkafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaError(f"topic {name} does not exist; `rollcall topics apply` creates it") from e
        raise


def record_of(message: Message, topic: Topic) -> Record:
    """A record out of a confluent-kafka message."""
    headers, arrived_ms = message.headers(), message.timestamp()[1]
    told = headers.items() if isinstance(headers, dict) else headers or ()
    return Record(
        topic,
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        arrived_ms,
        replay_of.read(tuple(told), arrived_ms) if told else None,
    )


def kept_from(kafka: KafkaSettings, topic: str, partition: int) -> int:
    """The first offset that Kafka still has of a partition. Raises KafkaError."""
    consumer = Consumer({**tuned(kafka), "group.id": "rollcall-recovery"}, logger=quiet_librdkafka())
    try:
        low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
    except KafkaException as e:
        raise KafkaError(f"{topic} partition {partition}: {e.args[0].str()}") from e
    finally:
        consumer.close()
    return int(low)


class RangeNotRead(ConnectionError):  # noqa: N818 - named for what it says
    """The broker did not give a range in time: it may be away, and comes back."""


class RangeReader:
    """Reads exact offset ranges."""

    def __init__(self, kafka: KafkaSettings, timeout_s: float = 60.0) -> None:
        self._consumer = Consumer(
            {**tuned(kafka), "group.id": "rollcall-recovery", "auto.offset.reset": "error"}, logger=quiet_librdkafka()
        )
        self._timeout = timeout_s

    def read(self, topic: Topic, partition: int, first: int, last: int) -> list[Record]:
        """All records of [first, last]; offsets without one are absent.

        Raises LedgerError when retention has taken part of the range, KafkaError when it does not come in time.
        """
        low, high = self._consumer.get_watermark_offsets(TopicPartition(topic.name, partition), timeout=self._timeout)
        if low > first or high <= last:
            raise LedgerError(
                f"{topic.name} partition {partition}: offsets {first} to {last} are to be recovered,"
                f" but the topic holds {low} to {high - 1}"
            )
        self._consumer.assign([TopicPartition(topic.name, partition, first)])
        records: list[Record] = []
        end = time.monotonic() + self._timeout
        try:
            while True:
                for message in self._consumer.consume(5_000, 0.2):
                    if message.error():
                        raise RangeNotRead(f"{topic.name} partition {partition}: {message.error()}")
                    if (message.offset() or 0) <= last:
                        records.append(record_of(message, topic))
                position = self._consumer.position([TopicPartition(topic.name, partition)])[0].offset
                if position > last or (records and records[-1].offset == last):
                    return records
                if time.monotonic() > end:
                    raise RangeNotRead(
                        f"{topic.name} partition {partition}: offsets {first} to {last} did not come"
                        f" in {self._timeout:.0f} s"
                    )
        finally:
            self._consumer.unassign()

    def close(self) -> None:
        """Give the connection back."""
        self._consumer.close()

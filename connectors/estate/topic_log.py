"""Reading the mark topics back, whole and independently of the worker: every offset, decoded by fastavro one by one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import confluent_kafka
import fastavro

from connectors.estate.direct import MIS, REGISTER
from connectors.estate.marks import EVIDENCE, Again, Arrival
from rollcall.errors import KafkaError
from schemas import wire
from schemas.registry import Registry, UnknownSchemaId

__all__ = ["TOPICS", "Decoded", "Logged", "decode", "read_topics"]

TOPICS: tuple[str, ...] = (REGISTER, MIS, EVIDENCE)
_RECORDS = ("Register", "MisPage", "Evidence")
_SILENT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Logged:
    """One message as it lies on its topic."""

    arrival: Arrival
    key: bytes | None
    value: bytes | None
    #: Not None when it was sent again out of quarantine.
    again: Again | None = None


#: Messages in partition order, each with its record or the reason for which it must be refused whole.
Decoded = list[tuple[Logged, dict[str, Any] | str]]


def read_topics(client: Mapping[str, Any], topics: Sequence[str] = TOPICS) -> list[Logged]:
    """Every message of the topics from the first offset kept to the high watermark of now, in partition order.

    Commits nothing. Raises KafkaError when a topic is not there or nothing comes for half a minute.
    """
    consumer = confluent_kafka.Consumer(
        {
            **client,
            "group.id": "rollcall-estate-judge",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": 5,
        }
    )
    try:
        wanted: dict[tuple[str, int], int] = {}
        positions = []
        for topic in topics:
            known = consumer.list_topics(topic, timeout=10).topics[topic]
            if known.error is not None:
                raise KafkaError(f"topic {topic} is not there: run `rollcall topics apply`")
            for partition in known.partitions:
                low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=10)
                if high > low:
                    wanted[topic, partition] = high
                    positions.append(confluent_kafka.TopicPartition(topic, partition, low))
        found: list[Logged] = []
        if positions:
            consumer.assign(positions)
            found = list(_until(consumer, wanted))
    except confluent_kafka.KafkaException as error:
        raise KafkaError(f"the topics cannot be read back ({error.args[0].name()}): is Kafka running?") from None
    finally:
        consumer.close()
    found.sort(key=lambda message: message.arrival[:3])
    return found


def _until(consumer: Any, wanted: dict[tuple[str, int], int]) -> Iterator[Logged]:
    last = time.monotonic()
    while wanted:
        for message in consumer.consume(10_000, timeout=0.5):
            if message.error() is not None:
                raise confluent_kafka.KafkaException(message.error())
            last = time.monotonic()
            place = (message.topic(), message.partition())
            if place in wanted and message.offset() < wanted[place]:
                arrival = Arrival(*place, message.offset(), message.timestamp()[1])
                yield Logged(arrival, message.key(), message.value(), _again(message.headers()))
        # A position may pass the watermark without a record: transaction markers and compacted offsets take offsets.
        for position in consumer.position([confluent_kafka.TopicPartition(*place) for place in wanted]):
            if position.offset >= wanted[position.topic, position.partition]:
                del wanted[position.topic, position.partition]
        if wanted and time.monotonic() - last > _SILENT_SECONDS:
            raise KafkaError(f"{len(wanted)} partitions give nothing more although offsets are left")


def _again(headers: Any) -> Again | None:
    """What the header of a replay says. Nobody but Rollcall sends one here, so it is as it should be."""
    for name, value in headers or ():
        if name == "replay_of":
            said = json.loads(value)
            place = (said["topic_id"], said["partition"], said["offset"], said["arrived_ms"])
            return Again(*place, tuple(said["items"]))
    return None


def decode(messages: Sequence[Logged], registry_url: str) -> Decoded:
    """Each message with its record, or with the reason for which it must be refused whole.

    Raises schemas.registry.RegistryAway: without the registry nobody can say what is poison.
    """
    parsed: dict[int, Any] = {}
    with Registry(registry_url) as registry:
        return [(message, _decode(message, registry, parsed)) for message in messages]


def _decode(message: Logged, registry: Registry, parsed: dict[int, Any]) -> dict[str, Any] | str:
    if message.value is None:
        return "no_value"
    try:
        schema_id = wire.schema_id(message.value)
    except ValueError:
        return "undecodable"
    if schema_id not in parsed:
        try:
            schema = registry.get(schema_id)
        except UnknownSchemaId:
            return "unknown_schema"
        if str(schema.get("name", "")).rpartition(".")[2] not in _RECORDS:
            return "unknown_schema"
        parsed[schema_id] = fastavro.parse_schema(schema)
    try:
        record = wire.decode(parsed[schema_id], message.value)
    except ValueError:
        return "undecodable"
    return record if message.key == str(record["urn"]).encode() else "key_mismatch"

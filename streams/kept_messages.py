"""The bytes of messages that were taken in: out of the archive, or else from Kafka while it keeps them.

The archive is asked first: one question for all places, in milliseconds, whether or not Kafka is there; and what an
erasure took out of it stays out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

import schemas
from rollcall.errors import KafkaError
from rollcall.logging import quiet_librdkafka
from rollcall.settings import KafkaSettings, Settings
from schemas.decoding import Decoder
from schemas.registry import Registry, RegistryAway, UnknownSchemaId
from sinks.archive import read, withheld
from sinks.places import Place
from streams.assignment import topics_by_name
from streams.reader import tuned

__all__ = ["Kept", "Names", "bytes_of", "decoded", "item_of"]

#: How long Kafka may take for one message (s).
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A message's bytes and where they are from: archive or kafka; or (`held_by` empty) why nobody has them.

    `value` None with `held_by`: the message had none. `rewritten`: an erasure took a pupil out of it.
    """

    held_by: str
    value: bytes | None = None
    rewritten: bool = False
    missing_because: str = ""


def bytes_of(settings: Settings, client: Client, places: Mapping[Place, str]) -> dict[Place, Kept]:
    """Every place (with its topic's name) -> its bytes, or why there are none."""
    found = {place: Kept("archive", one.value, one.rewritten) for place, one in read(client, places).items()}
    left = {place: topic for place, topic in places.items() if place not in found}
    if not left:
        return found
    erased = withheld(client, list(left))
    try:
        held = _from_kafka(settings, left)
        why = "the archive does not have it, and Kafka has deleted it"
    except (KafkaError, KafkaException):
        held, why = {}, "the archive does not have it, and Kafka does not answer"
    for place in left:
        if place in held:
            found[place] = Kept("kafka", held[place])
        else:
            found[place] = Kept("", missing_because="erasure took it out" if place in erased else why)
    return found


def _from_kafka(settings: Settings, places: Mapping[Place, str]) -> dict[Place, bytes | None]:
    """What Kafka still has of these. A topic that was made anew is another topic: nothing of the old one is there."""
    known = {topic.uuid for topic in topics_by_name(settings).values()}
    wanted: dict[tuple[str, int], list[Place]] = {}
    for place, topic in places.items():
        if place.topic_id in known:
            wanted.setdefault((topic, place.partition), []).append(place)
    if not wanted:
        return {}
    consumer = _consumer(settings.kafka)
    try:
        return {
            place: value
            for (topic, partition), some in wanted.items()
            for place, value in _of_partition(consumer, topic, partition, sorted(some))
        }
    finally:
        consumer.close()


def _of_partition(
    consumer: Consumer, topic: str, partition: int, places: Sequence[Place]
) -> Iterable[tuple[Place, bytes | None]]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_PATIENCE_S)
    for place in places:
        if not low <= place.offset < high:
            continue
        consumer.assign([TopicPartition(topic, partition, place.offset)])
        message = _next(consumer)
        if message is not None and message.offset() == place.offset:
            value = message.value()
            yield place, value.encode() if isinstance(value, str) else value


def _next(consumer: Consumer) -> Message | None:
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            return message
    return None


def _consumer(kafka: KafkaSettings) -> Consumer:
    small = {"fetch.min.bytes": 1, "fetch.wait.max.ms": 50, "queued.min.messages": 1, "auto.offset.reset": "error"}
    return Consumer({**tuned(kafka), **small, "group.id": "rollcall-explain"}, logger=quiet_librdkafka())


class Names:
    """What schema ids mean: the record's name, and which committed version of its topic's schema it is."""

    def __init__(self, settings: Settings) -> None:
        self._registry = Registry(settings.registry.url)
        self._known: dict[tuple[str, int], dict[str, Any]] = {}

    def of(self, topic: str, schema_id: int) -> dict[str, Any]:
        """{id, name, version}; None where the registry does not say (it is away, or does not know the id)."""
        if (topic, schema_id) not in self._known:
            self._known[topic, schema_id] = {"id": schema_id, **self._ask(topic, schema_id)}
        return self._known[topic, schema_id]

    def decoder(self) -> Decoder:
        """A decoder by the same registry."""
        return Decoder(self._registry)

    def close(self) -> None:
        """Close the connection."""
        self._registry.close()

    def _ask(self, topic: str, schema_id: int) -> dict[str, Any]:
        try:
            schema = self._registry.get(schema_id)
        except (RegistryAway, UnknownSchemaId):
            return {"name": None, "version": None}
        version = next((one for one in schemas.versions(topic) if schemas.load(topic, one) == schema), None)
        return {"name": schema.get("name"), "version": version}


def decoded(decoder: Decoder, value: bytes | None) -> tuple[dict[str, Any] | None, str]:
    """What a message says and '', or None and why it cannot be read."""
    if value is None:
        return None, "it has no value"
    try:
        return decoder.decode(value), ""
    except (UnknownSchemaId, RegistryAway, ValueError) as error:
        return None, str(error)


def item_of(record: Mapping[str, Any], item: int) -> Any:
    """The mark or deletion at a place in a decoded message: marks from 0, then deletions. None beyond the last."""
    marks, deletions = list(record.get("marks") or ()), list(record.get("deletions") or ())
    return (marks + deletions)[item] if item < len(marks) + len(deletions) else None

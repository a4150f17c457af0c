"""What stands on a reference topic now: for loaders that publish only what is new.

The topic itself is the memory. A loader that is killed leaves nothing behind that could contradict it, and two loaders
on two machines see the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as Code

import schemas
from rollcall.errors import KafkaError
from rollcall.settings import Settings
from schemas import wire
from schemas.registry import Registry, UnknownSchemaId

__all__ = ["records"]

#: How long Kafka may take to answer, in seconds.
_PATIENCE = 30.0


def records(settings: Settings, topic: str) -> Iterator[dict[str, Any]]:
    """Every record on a topic, as its latest schema has it; records of one key in their order.

    Ends where the topic ended when it was reached. Messages that cannot be read are passed over: they are the loader's
    to refuse (streams/reference.py). Raises KafkaError when Kafka or the topic is not there, RegistryAway.
    """
    consumer = Consumer(
        {
            **settings.kafka.client_config(),
            "group.id": "rollcall-topic-contents",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
    )
    try:
        with Registry(settings.registry.url) as registry:
            yield from _read(consumer, registry, topic)
    except KafkaException as error:
        raise KafkaError(f"Kafka at {settings.kafka.bootstrap}: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _read(consumer: Consumer, registry: Registry, topic: str) -> Iterator[dict[str, Any]]:
    known = consumer.list_topics(topic, timeout=_PATIENCE).topics[topic]
    if known.error is not None:
        raise KafkaError(f"the topic {topic} does not exist: run `rollcall topics apply`")
    unread = set(known.partitions)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in unread])
    writers: dict[int, schemas.Schema] = {}
    heard = time.monotonic()
    while unread:
        messages = consumer.consume(num_messages=1000, timeout=0.1)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() > heard + _PATIENCE:
            raise KafkaError(f"Kafka stopped answering while {topic} was read")
        for message in messages:
            error, value = message.error(), message.value()
            if error is not None:
                if error.code() != Code._PARTITION_EOF:
                    raise KafkaException(error)
                unread.discard(message.partition() or 0)
            elif value is not None and (record := _decoded(registry, writers, topic, value)) is not None:
                yield record


def _decoded(registry: Registry, writers: dict[int, schemas.Schema], topic: str, value: bytes) -> dict[str, Any] | None:
    """The record of one message; None when it cannot be read."""
    try:
        number = wire.schema_id(value)
        if number not in writers:
            writers[number] = dict(fastavro.parse_schema(registry.get(number)))  # type: ignore[arg-type]
        return wire.decode(writers[number], value, schemas.parsed(topic))
    except (ValueError, UnknownSchemaId):
        return None

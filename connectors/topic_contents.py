"""What stands on a topic now: for loaders that publish only what is new, and for who looks for something.

The topic itself is the memory. A loader that is killed leaves nothing behind that could contradict it, and two loaders
on two machines see the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Code

from rollcall.errors import KafkaError
from rollcall.settings import Settings
from schemas.decoding import Decoder
from schemas.registry import Registry, UnknownSchemaId

__all__ = ["messages", "records"]

#: How long Kafka may take to answer, in seconds.
_PATIENCE = 30.0


def records(settings: Settings, topic: str) -> Iterator[dict[str, Any]]:
    """Every record on a topic, as its latest schema has it; records of one key in their order.

    Messages that cannot be read are passed over: they are the loader's to refuse (streams/reference.py). Raises what
    `messages` raises, and RegistryAway.
    """
    with Registry(settings.registry.url) as registry:
        decoder = Decoder(registry)
        for message in messages(settings, topic):
            value = message.value()
            if value is not None:
                try:
                    yield decoder.decode(value, topic)
                except (ValueError, UnknownSchemaId):
                    continue


def messages(settings: Settings, topic: str) -> Iterator[Message]:
    """Every message on a topic, those of one key in their order.

    Ends where the topic ended when it was reached. Raises KafkaError when Kafka or the topic is not there.
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
        yield from _read(consumer, topic)
    except KafkaException as error:
        raise KafkaError(f"Kafka at {settings.kafka.bootstrap}: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _read(consumer: Consumer, topic: str) -> Iterator[Message]:
    known = consumer.list_topics(topic, timeout=_PATIENCE).topics[topic]
    if known.error is not None:
        raise KafkaError(f"the topic {topic} does not exist: run `rollcall topics apply`")
    unread = set(known.partitions)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in unread])
    heard = time.monotonic()
    while unread:
        taken = consumer.consume(num_messages=1000, timeout=0.1)
        if taken:
            heard = time.monotonic()
        elif time.monotonic() > heard + _PATIENCE:
            raise KafkaError(f"Kafka stopped answering while {topic} was read")
        for message in taken:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == Code._PARTITION_EOF:
                unread.discard(message.partition() or 0)
            else:
                raise KafkaException(error)

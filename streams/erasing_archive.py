"""Erasure in the archive of messages: those that name a pupil are written again without them, and stay so.

Their places are withheld first (sinks/archive.py): an archive that runs meanwhile, or reads them from Kafka once more,
does not bring them back.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping, Set
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from rollcall.domain.clock import now, of_milliseconds, to_the_millisecond
from rollcall.errors import KafkaError
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas.decoding import Decoder
from schemas.people import Reference
from schemas.registry import Registry
from sinks.archive import withhold
from sinks.places import Place
from sinks.statements import load
from streams.assignment import MARK_TOPICS, topics_by_name
from streams.erasing import masked

__all__ = ["archived", "mask_archive", "unarchived", "withhold_copies"]

_COLUMNS = (
    "topic", "topic_id", "partition", "offset", "urn", "key", "value", "is_null", "replay_of", "arrived_at",
    "archived_at", "rewritten_at",
)  # fmt: skip


def unarchived(settings: Settings, copies: Iterable[tuple[str, int, int]]) -> int:
    """How many of the messages at (topic, partition, offset) the archive has yet to read; 0 where it never ran.

    What is deleted from Kafka before that is lost to it, others' marks included. Raises KafkaError.
    """
    wanted = [one for one in copies if one[0] in MARK_TOPICS]
    partitions = [TopicPartition(topic, partition) for topic, partition in sorted({one[:2] for one in wanted})]
    if not partitions:
        return 0
    admin = AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka())
    group = settings.archive.group
    try:
        asked = admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, partitions)], request_timeout=30
        )  # fmt: skip
        answer = asked[group].result()
    except KafkaException as error:
        raise KafkaError(f"Kafka says nothing about the group {group}: {error.args[0].str()}") from None
    read = {(one.topic, one.partition): one.offset for one in answer.topic_partitions if one.offset >= 0}
    if not read:
        return 0
    return sum(offset >= read.get((topic, partition), 0) for topic, partition, offset in wanted)


def withhold_copies(settings: Settings, client: Client, copies: Iterable[tuple[str, int, int]]) -> None:
    """Withhold what Kafka still has of the pupil: messages at (topic, partition, offset)."""
    known = topics_by_name(settings)
    withhold(client, (Place(known[topic].uuid, *rest) for topic, *rest in copies if topic in known))


def archived(client: Client, registry: Registry, named: Mapping[int, Set[Reference]]) -> int:
    """How many messages of the archive name the pupil; URN -> references. Raises RegistryAway."""
    return len(_found(client, registry, named))


def mask_archive(client: Client, registry: Registry, named: Mapping[int, Set[Reference]]) -> int:
    """Write messages of the archive that name the pupil again without them; returns how many.

    As `streams.erasing.mask_quarantine`: others' marks stay, one that nobody can read loses its bytes, and the masked
    message is written before the other goes. Raises RegistryAway.
    """
    found = _found(client, registry, named)
    if not found:
        return 0
    withhold(client, found)
    run = to_the_millisecond(now())
    client.insert(
        "message_archive", [[*row, run] for row in found.values()], column_names=_COLUMNS,
        settings={"async_insert": 0, "insert_deduplicate": 0},
    )  # fmt: skip
    client.command(load("erase_archived_masked"), parameters={"run": run}, settings={"mutations_sync": 2})
    return len(found)


def _found(client: Client, registry: Registry, named: Mapping[int, Set[Reference]]) -> dict[Place, list[Any]]:
    """Place -> its row without the pupil, of every message that names one of the references of its school."""
    decoder = Decoder(registry)
    found: dict[Place, list[Any]] = {}
    for urn, references in named.items():
        for _, ref in references:
            rows = client.query(load("erase_archived"), parameters={"urn": urn, "ref": ref}).result_rows
            for topic, topic_id, partition, offset, key, value, is_null, headers, arrived_ms, archived_ms in rows:
                left = masked(decoder, b64decode(value), references)
                if left is not None:
                    place = Place(topic_id, partition, offset)
                    told = [b64decode(one) for one in headers]
                    instants = (of_milliseconds(arrived_ms), of_milliseconds(archived_ms))
                    found[place] = [topic, *place, urn, b64decode(key), left, is_null, told, *instants]
    return found

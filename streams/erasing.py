"""The part of erasing a pupil that only readers of messages can do: bytes in quarantine, what receipts re-assert, and
what is yet to be taken in.
"""

from __future__ import annotations

import uuid
from base64 import b64decode
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
import polars as pl
from clickhouse_connect.driver.client import Client
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from rollcall.domain.clock import of_milliseconds
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas import wire
from schemas.decoding import Decoder
from schemas.people import Reference, mentions, without
from schemas.registry import Registry, UnknownSchemaId
from sinks.ledger import Ledger
from sinks.statements import load
from streams import kernels
from streams.assignment import topics_by_name
from streams.memory import assertion_keys

__all__ = ["mask_quarantine", "masked", "reasserted", "untaken"]

_KIOSKS, _KIOSK_GROUP = "attendance.kiosk.v1", "rollcall-kiosk"


def untaken(settings: Settings, client: Client, places: Iterable[tuple[str, int, int]]) -> int:
    """How many of the messages at (topic, partition, offset) a worker (of sign-ins: the kiosk agent) has yet to do."""
    wanted: dict[str, dict[int, list[int]]] = {}
    for topic, partition, offset in places:
        wanted.setdefault(topic, {}).setdefault(partition, []).append(offset)
    left = 0
    ledger, known = Ledger(client, settings.worker.group), topics_by_name(settings)
    for topic, offsets in wanted.items():
        if topic == _KIOSKS:
            done = _committed(settings, list(offsets))
            left += sum(offset >= done.get(partition, 0) for partition in offsets for offset in offsets[partition])
        elif topic in known:
            held = ledger.ranges(topic, known[topic].uuid, list(offsets))
            left += sum(
                not any(span.first <= offset <= span.last for span in held[partition].done)
                for partition in offsets
                for offset in offsets[partition]
            )
    return left


def reasserted(client: Client, pupil_id: int) -> list[int]:
    """What `register_receipt.unchanged_keys` calls the assertions about a pupil."""
    frame = pl.from_arrow(client.query_arrow(load("erase_assertions"), parameters={"pupil": pupil_id}))
    assert isinstance(frame, pl.DataFrame)
    if not frame.height:
        return []
    keys = assertion_keys(frame.with_columns(pl.col("source", "period", "record_id").cast(pl.String)))
    pupils = np.full(len(keys), pupil_id, np.uint64)
    return [int(one) for one in kernels.mix_columns(keys, pupils)]


_COLUMNS = (
    "topic", "topic_id", "partition", "offset", "key", "value", "is_null", "produced_at", "ingested_at", "batch",
)  # fmt: skip


def mask_quarantine(client: Client, registry: Registry, named: Mapping[int, Set[Reference]]) -> int:
    """Write messages in quarantine that name the pupil again without them; returns how many.

    `named`: URN -> references. One that cannot be decoded and holds a reference's bytes loses all its bytes. The masked
    message is written before the other goes, so that nobody else's marks are ever missing from it. Raises RegistryAway.
    """
    run, decoder = uuid.uuid4().int & (2**64 - 1), Decoder(registry)
    found: dict[tuple[str, int, int], list[Any]] = {}
    for urn, references in named.items():
        for _, ref in references:
            rows = client.query(load("erase_bytes"), parameters={"key": str(urn), "ref": ref}).result_rows
            for topic, topic_id, partition, offset, key, value, is_null, produced_ms, ingested_ms in rows:
                left = masked(decoder, b64decode(value), references)
                if left is not None:
                    place = (topic_id, partition, offset)
                    instants = (of_milliseconds(produced_ms), of_milliseconds(ingested_ms))
                    found[place] = [topic, *place, b64decode(key), left, is_null, *instants, run]
    if found:
        client.insert(
            "quarantine_message", list(found.values()), column_names=_COLUMNS,
            settings={"async_insert": 0, "insert_deduplicate": 0},
        )  # fmt: skip
        client.command(load("erase_masked"), parameters={"run": run}, settings={"mutations_sync": 2})
    return len(found)


def masked(decoder: Decoder, value: bytes, references: Set[Reference]) -> bytes | None:
    """The bytes without the pupil; None when the message does not name them after all."""
    try:
        record = decoder.decode(value)
    except (ValueError, UnknownSchemaId):
        return b""
    if not mentions(record, references):
        return None
    number = wire.schema_id(value)
    return wire.encode(decoder.writer(number), number, without(record, references))


def _committed(settings: Settings, partitions: list[int]) -> dict[int, int]:
    """Where the kiosk agent goes on, by partition; none where it has never been."""
    admin = AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka())
    asked = ConsumerGroupTopicPartitions(_KIOSK_GROUP, [TopicPartition(_KIOSKS, one) for one in partitions])
    answer = admin.list_consumer_group_offsets([asked], request_timeout=30)[_KIOSK_GROUP].result()
    return {one.partition: one.offset for one in answer.topic_partitions if one.offset >= 0}

"""What Kafka still holds of a pupil, and taking it from there: for erasure (docs/data-protection.md).

Marks are on Kafka as long as their topic keeps messages. A message holds thirty pupils and cannot be changed, so what
is older than the last message about the pupil is deleted from that partition, once all of it is in ClickHouse. A roster
is written again without the pupil; compaction takes the older ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import confluent_kafka
from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.topic_contents import messages
from rollcall.errors import KafkaError
from rollcall.settings import Settings
from schemas.decoding import Decoder
from schemas.people import Reference, mentions, without
from schemas.registry import Registry, UnknownSchemaId
from schemas.topics import TOPICS

__all__ = ["ROSTERS", "Copy", "aliases_without", "delete", "find", "rosters_without"]

ROSTERS, _ALIASES = "reference.roster.v1", "reference.pupil-alias.v1"
#: Topics that name pupils.
_SEARCHED = (*(topic.name for topic in TOPICS if topic.kind == "attendance"), "attendance.kiosk.v1", ROSTERS)
#: How long Kafka may take to answer, in seconds.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Copy:
    """A message that names the pupil; `record` of a roster, None of others."""

    topic: str
    partition: int
    offset: int
    record: dict[str, Any] | None = None


def find(settings: Settings, named: Mapping[int, Set[Reference]]) -> list[Copy]:
    """Every message that names one of the references of its school, URN -> references.

    Reads whole topics; decodes messages of these schools only. One that cannot be decoded and holds a reference's bytes
    is one as well. Raises KafkaError, RegistryAway.
    """
    keys = {str(urn).encode(): references for urn, references in named.items()}
    with Registry(settings.registry.url) as registry:
        decoder = Decoder(registry)
        found = (_copy(decoder, topic, one, keys) for topic in _SEARCHED for one in messages(settings, topic))
        return [copy for copy in found if copy is not None]


def rosters_without(settings: Settings, copies: Sequence[Copy], named: Mapping[int, Set[Reference]]) -> list[int]:
    """Publish the rosters that stand and name the pupil again without them; returns their schools.

    `copies`: all of `find`. Raises KafkaError when Kafka does not take them.
    """
    latest: dict[int, dict[str, Any]] = {}
    for copy in copies:
        if copy.record is not None:
            held = latest.get(copy.record["urn"])
            if held is None or held["taken_at"] <= copy.record["taken_at"]:
                latest[copy.record["urn"]] = copy.record
    if not latest:
        return []
    encoder = Encoder(settings.registry.url)
    encoder.ready()
    with Publisher(settings.kafka.client_config()) as publisher:
        for urn, record in latest.items():
            # A version is known by its instant: a new one, and older than whatever is pulled from now on.
            again = {**without(record, named[urn]), "taken_at": record["taken_at"] + timedelta(milliseconds=1)}
            publisher.publish(ROSTERS, str(urn).encode(), encoder.encode(ROSTERS, again)).result()
    return sorted(latest)


def aliases_without(settings: Settings, pupil_ids: Sequence[int]) -> None:
    """Take what is said of these numbers off the topic of aliases, the compacted topic's way: a key without a value."""
    with Publisher(settings.kafka.client_config()) as publisher:
        for pupil_id in pupil_ids:
            publisher.publish(_ALIASES, str(pupil_id).encode(), None).result()


def delete(settings: Settings, copies: Sequence[Copy]) -> dict[tuple[str, int], int]:
    """Delete what Kafka holds up to the last copy of each partition, rosters aside; (topic, partition) -> first left.

    The caller has made sure that all of it was taken in. Raises KafkaError when Kafka refuses.
    """
    last: dict[tuple[str, int], int] = {}
    for copy in copies:
        if copy.topic != ROSTERS:
            place = (copy.topic, copy.partition)
            last[place] = max(last.get(place, -1), copy.offset)
    if not last:
        return {}
    admin = AdminClient(settings.kafka.client_config())
    asked = admin.delete_records(
        [TopicPartition(topic, partition, offset + 1) for (topic, partition), offset in last.items()],
        request_timeout=_PATIENCE,
    )
    left: dict[tuple[str, int], int] = {}
    for deleted, answer in asked.items():
        try:
            left[deleted.topic, deleted.partition] = answer.result().low_watermark
        except confluent_kafka.KafkaException as error:
            raise KafkaError(f"Kafka deletes nothing of {deleted.topic}: {error.args[0].str()}") from None
    return left


def _copy(decoder: Decoder, topic: str, message: Message, named: Mapping[bytes, Set[Reference]]) -> Copy | None:
    value, key = message.value(), message.key() or b""
    references = named.get(key if isinstance(key, bytes) else key.encode(), frozenset())
    if value is None or not any(ref.encode() in value for _, ref in references):
        return None
    place = (topic, message.partition() or 0, message.offset() or 0)
    try:
        record = decoder.decode(value, topic)
    except (ValueError, UnknownSchemaId):
        return Copy(*place)
    if not mentions(record, references):
        return None
    return Copy(*place, record if topic == ROSTERS else None)

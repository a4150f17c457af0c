"""Reading messages of the reference topics, one by one: what is applied, and what is refused and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import xxhash
from confluent_kafka import Message

from rollcall.domain import categories, code_maps, lesson_rules, pupil_aliases, source_rules
from rollcall.domain.codes import MapEntry
from schemas import wire
from schemas.decoding import Decoder
from schemas.registry import Registry, UnknownSchemaId
from sinks.reference import Applied, Kind, Refused

__all__ = ["KINDS", "Arrived", "ReferenceReader"]

#: Topic -> kind of reference data, as in the table reference_version.
KINDS: dict[str, Kind] = {
    "reference.school.v1": "school",
    "reference.roster.v1": "roster",
    "reference.register.v1": "register",
    "reference.calendar.v1": "calendar",
    "reference.code-map.v1": "code-map",
    "reference.code-category.v1": "code-category",
    "reference.source-rule.v1": "source-rule",
    "reference.pupil-alias.v1": "pupil-alias",
    "reference.lesson-rule.v1": "lesson-rule",
}
#: A `taken_at` later than arrival by more than this is capped at arrival, so that a clock that is ahead cannot hide
#: later versions for ever (rule 6).
_CLOCK_BOUND = timedelta(seconds=300)
#: Kinds that are published by hand; the others are taken from a school's system.
_PUBLISHED: frozenset[Kind] = frozenset({"code-map", "code-category", "source-rule", "pupil-alias", "lesson-rule"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as Kafka gave it. `produced_at` is Kafka's timestamp, UTC."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    produced_at: datetime

    @classmethod
    def of(cls, message: Message, topic_ids: Mapping[str, str]) -> Arrived:
        """Take over a message. Raises ValueError when it has no value."""
        topic, partition, offset, value = message.topic(), message.partition(), message.offset(), message.value()
        if topic is None or partition is None or offset is None or value is None:
            raise ValueError("a message needs its place and a value")
        _, milliseconds = message.timestamp()
        produced_at = _EPOCH + timedelta(milliseconds=max(milliseconds, 0))
        return cls(topic, topic_ids[topic], partition, offset, message.key() or b"", value, produced_at)


class ReferenceReader:
    """Decodes with the schema that each message names, seen as the latest of ours."""

    def __init__(self, registry: Registry) -> None:
        self._decoder = Decoder(registry)

    def read(self, message: Arrived) -> Applied | Refused:
        """Decode one message. Raises RegistryAway when the registry has to be asked and does not answer."""
        try:
            record = self._decoder.decode(message.value, message.topic)
        except UnknownSchemaId as error:
            return _refuse(message, "unknown_schema", str(error))
        except ValueError as error:
            return _refuse(message, "undecodable", str(error))
        kind = KINDS[message.topic]
        name = _key(kind, record)
        if name.encode() != message.key:
            return _refuse(message, "key_mismatch", "the key is not what the message is about")
        if kind not in _PUBLISHED and record["urn"] <= 0:
            return _refuse(message, "unknown_school", "the URN is no URN")
        if kind == "code-map" and record["version"] < 0:
            return _refuse(message, "undecodable", "the version of a code map is a number from 1")
        if complaint := _complaint(kind, record):
            return _refuse(message, "not_to_be_applied", complaint)
        taken_at: datetime = record["published_at" if kind in _PUBLISHED else "taken_at"]
        return Applied(
            kind=kind,
            key=name,
            taken_at=message.produced_at if taken_at > message.produced_at + _CLOCK_BOUND else taken_at,
            digest=xxhash.xxh3_64_intdigest(message.value),
            topic_id=message.topic_id,
            partition=message.partition,
            offset=message.offset,
            record=record,
        )


def _key(kind: Kind, record: Mapping[str, Any]) -> str:
    """What the key of a message with this record is."""
    match kind:
        case "code-map":
            return str(record["scheme"])
        case "code-category":
            return categories.KEY
        case "source-rule":
            return source_rules.KEY
        case "pupil-alias":
            return str(record["pupil_id"])
        case _:
            return str(record["urn"])


def _complaint(kind: Kind, record: Mapping[str, Any]) -> str:
    """Why a code map, categories, rules or aliases must not come in force; empty when they may, and for all else."""
    try:
        if kind == "code-map":
            code_maps.check([MapEntry(**entry) for entry in record["entries"]])
        elif kind == "code-category":
            categories.check([categories.of_record(row) for row in record["rows"]])
        elif kind == "source-rule":
            source_rules.check([source_rules.of_record(rule) for rule in record["rules"]])
        elif kind == "pupil-alias":
            pupil_aliases.check(record["pupil_id"], [pupil_aliases.of_record(one) for one in record["aliases"]])
        elif kind == "lesson-rule":
            lesson_rules.check(record["urn"], [lesson_rules.of_record(rule) for rule in record["rules"]])
    except ValueError as error:
        return str(error)
    return ""


def _refuse(message: Arrived, reason: str, detail: str) -> Refused:
    try:
        schema_id = wire.schema_id(message.value)
    except ValueError:
        schema_id = 0
    return Refused(
        reason=reason,
        detail=detail,
        topic=message.topic,
        topic_id=message.topic_id,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        schema_id=schema_id,
        produced_at=message.produced_at,
    )

"""The messages of an agent's topic: read by the schema they were written with, or the reason why they cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

import schemas
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas import wire
from schemas.registry import Registry, UnknownSchemaId
from streams.agents.harness import Arrived
from streams.reader import existing

__all__ = ["Reading", "Unreadable", "described"]


class Unreadable(NamedTuple):
    """Why a message is none of its topic: `reason` as quarantine has it, `detail` quotes nothing of it."""

    reason: str
    detail: str
    schema_id: int = 0


class Reading:
    """Reads messages of one topic that are keyed by URN."""

    def __init__(self, topic: str, registry_url: str) -> None:
        self._topic = topic
        self._registry = Registry(registry_url)
        self._parsed: dict[int, schemas.Schema] = {}

    def record(self, message: Arrived) -> Mapping[str, Any] | Unreadable:
        """What the message says. Blocks. Raises RegistryAway: then nobody can say."""
        if message.value is None:
            return Unreadable("no_value", "the message has no value")
        schema_id = 0
        try:
            schema_id = wire.schema_id(message.value)
            record = wire.decode(self._writer(schema_id), message.value, schemas.parsed(self._topic))
        except UnknownSchemaId as error:
            return Unreadable("unknown_schema", str(error), schema_id)
        except ValueError as error:
            return Unreadable("undecodable", str(error), schema_id)
        if message.key != str(record["urn"]).encode():
            return Unreadable("key_mismatch", "the message's key is not its urn", schema_id)
        return record

    def close(self) -> None:
        """Give the connection back."""
        self._registry.close()

    def _writer(self, schema_id: int) -> schemas.Schema:
        """The schema a message was written with, parsed. Raises UnknownSchemaId for one of another kind of message."""
        parsed = self._parsed.get(schema_id)
        if parsed is None:
            schema = self._registry.get(schema_id)
            wanted = schemas.load(self._topic)["name"]
            if schema.get("name") != wanted:
                raise UnknownSchemaId(f"schema id {schema_id} is {schema.get('name')}, not {wanted}")
            parsed = self._parsed[schema_id] = schemas.parse(schema)
        return parsed


def described(settings: Settings, topic: str) -> Any:
    """Kafka's description of a topic. Blocks. Raises KafkaError when there is no such topic."""
    admin = AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka())
    (future,) = admin.describe_topics(TopicCollection([topic]), request_timeout=30).values()
    return existing(topic, future)

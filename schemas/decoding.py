"""From the bytes on a topic to a record, one message at a time: the schema it names, asked of the registry once.

The worker has its own way for marks by the thousand (streams/decode.py).
"""

from __future__ import annotations

from typing import Any

import fastavro

import schemas
from schemas import wire
from schemas.registry import Registry

__all__ = ["Decoder"]


class Decoder:
    """Decodes messages of any topic; keeps the schemas it was told."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._writers: dict[int, schemas.Schema] = {}

    def decode(self, value: bytes, topic: str | None = None) -> dict[str, Any]:
        """The record of a message, as it was written; with `topic`, as the latest schema of that topic sees it.

        Raises ValueError when the bytes are no message or not what their schema says, UnknownSchemaId, RegistryAway.
        """
        writer = self.writer(wire.schema_id(value))
        return wire.decode(writer, value, None if topic is None else schemas.parsed(topic))

    def writer(self, schema_id: int) -> schemas.Schema:
        """The schema with this id, parsed. Raises UnknownSchemaId, RegistryAway."""
        if schema_id not in self._writers:
            self._writers[schema_id] = dict(fastavro.parse_schema(self._registry.get(schema_id)))  # type: ignore[arg-type]
        return self._writers[schema_id]

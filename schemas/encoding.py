"""From a record to the bytes on a topic: the committed schema, the registry's id, the header before the datum."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import schemas
from schemas import wire
from schemas.registry import Registry

__all__ = ["Encoder"]


class Encoder:
    """Encodes records for topics by our committed schemas. Asks the registry once, at the first record, and keeps it.

    registry_url: a schema registry that speaks Confluent's API.
    """

    def __init__(self, registry_url: str) -> None:
        self._url = registry_url
        self._asking = threading.Lock()
        self._ids: Mapping[str, int] | None = None

    def ready(self) -> None:
        """Ask the registry for the ids, if that has not happened yet. Blocks.

        Raises RegistryAway when it does not answer (try again), SchemaRefused when our schemas are not registered.
        """
        if self._ids is not None:
            return
        with self._asking, Registry(self._url) as registry:
            if self._ids is None:
                self._ids = registry.ids()

    @property
    def knows_ids(self) -> bool:
        """Whether records can be encoded without asking the registry."""
        return self._ids is not None

    def encode(self, topic: str, record: dict[str, Any]) -> bytes:
        """The value of a message for `topic`: magic byte, schema id, Avro datum of `record`.

        Raises what `ready` raises, and ValueError or TypeError when the record does not fit the schema.
        """
        self.ready()
        assert self._ids is not None
        return wire.encode(schemas.parsed(topic), self._ids[topic], record)

"""From a record to the bytes on a topic, as `schemas.encoding` makes them, with errors that say what to do."""

from __future__ import annotations

from rollcall.errors import SchemaError
from schemas import encoding
from schemas.registry import RegistryAway, SchemaRefused

__all__ = ["Encoder", "RegistryAway"]


class Encoder(encoding.Encoder):
    """Encodes records for topics by our committed schemas."""

    def ready(self) -> None:
        """Ask the registry for the ids, if that has not happened yet. Blocks.

        Raises RegistryAway when it does not answer (try again), SchemaError when our schemas are not registered.
        """
        try:
            super().ready()
        except SchemaRefused as error:
            raise SchemaError(str(error)) from None

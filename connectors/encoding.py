"""From a record to the bytes on a topic, as `schemas.encoding` makes them, with errors that say what to do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from rollcall.errors import SchemaError
from schemas import encoding
from schemas.registry import RegistryAway, SchemaRefused

__all__ = ["Encoder", "RegistryAway", "days", "milliseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ZERO = date(1970, 1, 1).toordinal()


def days(day: date) -> int:
    """Days since 1970-01-01, as Avro's `date` has it."""
    return day.toordinal() - _DAY_ZERO


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970 of an instant with its zone, as Avro's `timestamp-millis` has it."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


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

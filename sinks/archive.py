"""The archive of messages (sinks/migrations/0032_message_archive.sql): writing, reading, what is withheld, how long.

A message is known by its place. Written twice it is one message to every reader; what an erasure wrote again stands
before what was received.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import as_utc
from sinks.places import Place, about, parameters
from sinks.statements import load

__all__ = [
    "AS_RECEIVED", "Archived", "OfTopic", "drop_withheld", "keep_for", "on_disk", "read", "summary",
    "withheld", "withhold", "write",
]  # fmt: skip

#: `rewritten_at` of a message that no erasure wrote again.
AS_RECEIVED = datetime(1970, 1, 1, tzinfo=UTC)
_INSERT = {"async_insert": 0, "insert_deduplicate": 0}
#: A mutation is over when its statement is.
_WHOLE = {"mutations_sync": 2}


@dataclass(frozen=True, slots=True)
class Archived:
    """A message out of the archive. `value` None: it had none. `rewritten`: an erasure took a pupil out of it."""

    key: bytes
    value: bytes | None
    arrived_at: datetime
    rewritten: bool


class OfTopic(NamedTuple):
    """What the archive holds of a topic: messages, their bytes before compression, when the first and last arrived."""

    topic: str
    messages: int
    bytes: int
    rewritten: int
    first_at: datetime
    last_at: datetime


def write(client: Client, rows: pa.Table) -> None:
    """Insert messages (the table's columns) as one block; harmless when repeated."""
    client.insert_arrow("message_archive", rows, settings=_INSERT)


def read(client: Client, places: Iterable[Place]) -> dict[Place, Archived]:
    """The messages at these places, as far as the archive has them."""
    wanted = set(places)
    if not wanted:
        return {}
    found = client.query(about("archive_read"), parameters=parameters(wanted)).result_rows
    return {
        Place(*place): Archived(
            b64decode(key), None if is_null else b64decode(value), as_utc(arrived_at), bool(rewritten)
        )
        for *place, key, value, is_null, arrived_at, rewritten in found
    }


def withhold(client: Client, places: Iterable[Place]) -> None:
    """Let these places never again be archived as they were received. Safe to repeat."""
    rows = [list(place) for place in sorted(set(places))]
    if rows:
        client.insert(
            "message_withheld", rows, column_names=["topic_id", "partition", "offset"], settings=_INSERT
        )  # fmt: skip


def withheld(client: Client, places: Sequence[Place]) -> set[Place]:
    """Which of these places may not be archived as received."""
    if not places:
        return set()
    rows = client.query(load("archive_withheld"), parameters=_within(places)).result_rows
    return {Place(*row) for row in rows} & set(places)


def drop_withheld(client: Client, places: Sequence[Place]) -> int:
    """Delete what stands as received among these places' partitions although it is withheld; returns how many rows.

    For whoever has just written them: an erasure may have looked in between, or before a writer that died.
    """
    if not withheld(client, places):
        return 0
    standing = int(client.query(load("archive_stands_withheld"), parameters=_within(places)).result_rows[0][0])
    if standing:
        client.command(load("archive_drop_withheld"), settings=_WHOLE)
    return standing


def keep_for(client: Client, days: int) -> bool:
    """Let the table keep messages for so many days from their arrival; whether that was another number before."""
    kept = int(client.query(load("archive_kept_days")).result_rows[0][0])
    if kept == days:
        return False
    client.command(f"ALTER TABLE message_archive MODIFY TTL toDateTime(arrived_at) + INTERVAL {int(days)} DAY")
    return True


def summary(client: Client) -> list[OfTopic]:
    """What the archive holds, by topic."""
    rows = client.query(load("archive_summary")).result_rows
    return [OfTopic._make((*row[:4], as_utc(row[4]), as_utc(row[5]))) for row in rows]


def on_disk(client: Client) -> int:
    """Bytes that the archive takes on disk."""
    return int(client.query(load("archive_disk")).result_rows[0][0])


def _within(places: Sequence[Place]) -> dict[str, Any]:
    offsets = [one.offset for one in places]
    return {
        "topic_ids": sorted({one.topic_id for one in places}),
        "partitions": sorted({one.partition for one in places}),
        "first": min(offsets),
        "last": max(offsets),
    }

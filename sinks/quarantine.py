"""What is refused for now: by reason, entry by entry, and the bytes of a message as they were received.

How an entry stands, and its story, come from the views of migration 0022; what is done about it is in
sinks/quarantine_trail.py.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from rollcall.domain.codes import malformed
from rollcall.domain.findings import QUARANTINE_NAMES
from rollcall.errors import UsageError
from sinks.quarantine_trail import Step, steps
from sinks.statements import load

__all__ = [
    "ALL",
    "CLOSED",
    "OPEN",
    "WITHHELD",
    "Entry",
    "Message",
    "Reason",
    "entries",
    "message",
    "summary",
    "without_pupils",
]

#: How entries may stand: still refused; taken since, or discarded; any of them.
OPEN, CLOSED = ("open",), ("taken", "discarded")
ALL = (*OPEN, *CLOSED)

#: Fields of our messages that name a pupil or a record of one.
WITHHELD = frozenset({"pupil_ref", "record_id", "deletions", "ref"})


@dataclass(frozen=True)
class Reason:
    """One reason, how much stands under it, and the three sentences that say what to do."""

    reason: str
    entries: int
    messages: int
    schools: int
    first_seen: datetime
    last_seen: datetime
    what: str
    when_it_matters: str
    how_to_resolve: str

    def as_json(self) -> dict[str, Any]:
        """As an element of `rollcall quarantine list --json`."""
        return printable(asdict(self))


@dataclass(frozen=True)
class Entry:
    """One refused mark, or (item -1) one refused message. Topic, partition and offset name its bytes.

    `reason`: why it was refused when it was last judged; `first_reason`: when it first was.
    """

    topic: str
    partition: int
    offset: int
    item: int
    reason: str
    urn: int
    source: str
    session_date: date
    session: str
    detail: str
    ingested_at: datetime
    state: str = "open"
    first_reason: str = ""
    attempts: int = 0

    def as_json(self) -> dict[str, Any]:
        """As an element of the JSON documents of `rollcall quarantine`."""
        return printable(asdict(self))


@dataclass(frozen=True)
class Message:
    """A message of which something was refused: its bytes as received, its entries, and what was done about them.

    `value` None: it had none. `produced_at`: when it first arrived.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    produced_at: datetime
    ingested_at: datetime
    entries: tuple[Entry, ...]
    steps: tuple[Step, ...] = ()


def summary(client: Client, urn: int = 0, states: Sequence[str] = OPEN) -> list[Reason]:
    """Reasons with entries that stand so, the most frequent first; of one school, or (0) of all."""
    wanted = {"urn": urn, "states": list(states)}
    return [Reason(*row) for row in client.query(load("quarantine_summary"), parameters=wanted).result_rows]


def entries(client: Client, reason: str, urn: int = 0, limit: int = 100, states: Sequence[str] = OPEN) -> list[Entry]:
    """At most `limit` entries of a reason that stand so, the latest first. Raises UsageError for no reason of ours."""
    if reason not in QUARANTINE_NAMES:
        raise UsageError(f"no such reason: {reason}; there are {', '.join(QUARANTINE_NAMES)}")
    wanted = {"reason": reason, "urn": urn, "limit": limit, "states": list(states)}
    return [Entry(*row) for row in client.query(load("quarantine_entries"), parameters=wanted).result_rows]


def message(client: Client, topic: str, partition: int, offset: int) -> Message:
    """The message at this place, or that was sent again there.

    Raises UsageError when nothing of it was ever in quarantine.
    """
    place = {"topic": topic, "partition": partition, "offset": offset}
    rows = client.query(load("quarantine_message"), parameters=place).result_rows
    first = client.query(load("quarantine_replayed"), parameters=place).result_rows
    if first and not rows:
        return message(client, topic, *first[0])
    if not rows:
        raise UsageError(
            f"nothing of {topic}/{partition}/{offset} is in quarantine; `rollcall quarantine list` says what is"
        )
    key, value, is_null, produced_at, ingested_at, topic_id = rows[0]
    place["topic_id"] = topic_id
    found = client.query(load("quarantine_entries_of_message"), parameters=place).result_rows
    return Message(
        topic,
        partition,
        offset,
        b64decode(key),
        None if is_null else b64decode(value),
        produced_at,
        ingested_at,
        tuple(Entry(*row) for row in found),
        tuple(steps(client, topic_id, partition, offset)),
    )


def without_pupils(record: Any) -> Any:
    """The record with every field of `WITHHELD`, and every code that may be a comment, replaced by its length."""
    if isinstance(record, Mapping):
        return {
            name: _withheld(value) if _tells(name, value) else without_pupils(value) for name, value in record.items()
        }
    if isinstance(record, Sequence) and not isinstance(record, str | bytes):
        return [without_pupils(one) for one in record]
    return record


def _tells(name: str, value: Any) -> bool:
    return name in WITHHELD or (name == "code" and isinstance(value, str) and malformed(value))


def _withheld(value: Any) -> str:
    if isinstance(value, str):
        return f"<withheld, {len(value)} characters>"
    return f"<withheld, {len(value)}>" if hasattr(value, "__len__") else "<withheld>"


def printable(row: dict[str, Any]) -> dict[str, Any]:
    """A row for a JSON document: dates and instants in ISO form."""
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}

"""A range of the archive, and what the tables still hold of its messages: for `rollcall archive replay`."""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.errors import UsageError
from sinks.places import Place, about, parameters
from sinks.statements import load

__all__ = ["Held", "Message", "Range", "Replayed", "again", "first_day_kept", "held", "messages"]

#: Messages whose bytes are held at a time.
_AT_ONCE = 500
_EVER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Range:
    """Messages of one topic: all that every given condition holds for. Offsets and `until` are the last, inclusive."""

    topic: str
    partition: int | None = None
    first: int = 0
    last: int = 2**63 - 1
    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    until: datetime = _EVER

    def __post_init__(self) -> None:
        if self.last < self.first or self.until < self.since:
            raise UsageError("the range ends before it begins")
        if self.partition is None and (self.first > 0 or self.last < 2**63 - 1):
            raise UsageError("offsets are of one partition: say which with --partition")

    def parameters(self) -> dict[str, Any]:
        """As the parameters of archive_partitions.sql."""
        return {
            "topic": self.topic, "partition": -1 if self.partition is None else self.partition, "first": self.first,
            "last": self.last, "since": round(self.since.timestamp() * 1000),
            "until": round(self.until.timestamp() * 1000) + 1,
        }  # fmt: skip


class Message(NamedTuple):
    """A message out of the archive. `headers`: the values of the header that makes it a replay, none for most.

    `emptied`: nobody could read it, and an erasure took its bytes.
    """

    topic: str
    place: Place
    key: bytes | None
    value: bytes | None
    arrived_ms: int
    headers: tuple[bytes, ...]
    emptied: bool


class Replayed(NamedTuple):
    """A replay of a delivery. `outcome`: accepted, unchanged or refused; empty while it was only sent, at `at_ms`."""

    item: int
    outcome: str
    place: Place
    at_ms: int


@dataclass
class Held:
    """What the tables hold of deliveries, by place: items, how many a receipt calls accepted, and their replays."""

    history: dict[Place, set[int]] = field(default_factory=lambda: defaultdict(set))
    erased: dict[Place, set[int]] = field(default_factory=lambda: defaultdict(set))
    quarantine: dict[Place, set[int]] = field(default_factory=lambda: defaultdict(set))
    accepted: dict[Place, int] = field(default_factory=dict)
    replays: dict[Place, list[Replayed]] = field(default_factory=lambda: defaultdict(list))


def messages(client: Client, wanted: Range) -> Iterator[list[Message]]:
    """The messages of a range, some at a time, those of one partition together and in order."""
    asked, statement = wanted.parameters(), load("archive_messages").replace("{which}", load("archive_within"))
    for _, topic_id, partition, first, last in client.query(load("archive_partitions"), parameters=asked).result_rows:
        at = {**asked, "topic_id": topic_id, "partition": partition, "first": first, "last": last, "at_once": _AT_ONCE}
        while some := [_message(row) for row in client.query(statement, parameters=at).result_rows]:
            yield some
            at["first"] = some[-1].place.offset + 1


def again(client: Client, places: Sequence[Place]) -> dict[Place, Message]:
    """Messages at some places as they stand now; without what was erased or has gone since."""
    statement = load("archive_messages").replace("{which}", about("archive_at"))
    rows = client.query(statement, parameters={**parameters(places), "at_once": len(places)}).result_rows
    return {one.place: one for one in map(_message, rows)}


def held(client: Client, firsts: Iterable[Place], days: Sequence[str], urns: Sequence[int]) -> Held:
    """What the tables hold of deliveries and of their replays. `days` (ISO), `urns`: those that their bytes name."""
    found = Held()
    places = set(firsts)
    if not places:
        return found
    rows = client.query(about("archive_replays"), parameters=parameters(places)).result_rows
    for *first, item, what, outcome, topic_id, partition, offset, at_ms in rows:
        replay = Place(topic_id, partition, offset)
        found.replays[Place(*first)].append(Replayed(item, outcome if what == "judged" else "", replay, at_ms))
        places.add(replay)
    asked = {**parameters(places), "days": days, "urns": urns}
    for table, *place, item in client.query(about("archive_standing"), parameters=asked).result_rows:
        getattr(found, table)[Place(*place)].add(item)
    for *place, accepted in client.query(about("archive_receipts"), parameters=parameters(places)).result_rows:
        found.accepted[Place(*place)] = accepted
    return found


def first_day_kept(client: Client) -> date:
    """Session dates before this one were deleted because they were old enough; 1970-01-01 when none were."""
    day: date = client.query(load("retention_day")).result_rows[0][0]
    return day


def _message(row: Sequence[Any]) -> Message:
    topic, topic_id, partition, offset, key, value, is_null, arrived_ms, headers, is_rewritten = row
    return Message(
        topic, Place(topic_id, partition, offset), b64decode(key) or None, None if is_null else b64decode(value),
        int(arrived_ms), tuple(b64decode(one) for one in headers), bool(is_rewritten) and not value,
    )  # fmt: skip

"""What of a range of the archive no table holds any more: which marks of which messages would be sent again.

A delivery stands when its row is in the history, at its own place or at that of a replay of it; when it was erased;
when it is in quarantine, open or closed; or when it was unchanged. Unchanged marks have no row: when a message has lost
nothing, those of its marks that have none were unchanged. Where a school has lost something, its unchanged marks are
sent again too: they kept an older mark from standing, or one may have said what is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
from typing import NamedTuple

import polars as pl
from clickhouse_connect.driver.client import Client
from confluent_kafka import KafkaException

from rollcall.domain.clock import now
from rollcall.errors import KafkaError
from rollcall.settings import Settings
from schemas.people import ERASED
from schemas.registry import Registry
from sinks.archive_range import Held, Message, Range, first_day_kept, held, messages
from sinks.ledger import Ledger, position
from sinks.places import Place
from sinks.quarantine_trail import LOST_AFTER, OF_THE_MESSAGE
from sinks.writer import Writer
from streams import replay_of
from streams.assignment import MARK_TOPICS, topics_by_name
from streams.batch import Batch, Record, Topic
from streams.decode import SchemaCache, decode
from streams.reader import kept_from
from streams.replay_of import WHOLE

__all__ = ["Missing", "Selection", "choose", "replay"]

_EPOCH = date(1970, 1, 1)


class Missing(NamedTuple):
    """A message that has marks to send again. `items`: which, from 0; -1 alone is the whole message.

    `lost`: replays that had brought them in once, and whose rows are gone as well. `repeats`: how many of the items
    are unchanged marks, as far as is known.
    """

    topic: str
    place: Place
    first: Place
    items: tuple[int, ...]
    lost: tuple[Place, ...]
    repeats: int
    size: int


@dataclass
class Selection:
    """What of a range is to be sent again, and what is not."""

    missing: list[Missing] = field(default_factory=list)
    #: Messages of the range, and those of them of which nothing is missing.
    messages: int = 0
    whole: int = 0
    #: The workers have not taken them in yet, and will.
    waiting: int = 0
    #: Sent again within a day, and not judged yet.
    on_their_way: int = 0
    #: They say of themselves that they are replays, and cannot be believed.
    bad_replays: int = 0

    @property
    def marks(self) -> int:
        """Marks to send again."""
        return sum(len(one.items) for one in self.missing) - self.without_marks

    @property
    def without_marks(self) -> int:
        """Messages to send again that hold no mark, or that nobody can read."""
        return sum(one.items == (WHOLE,) for one in self.missing)

    @property
    def repeats(self) -> int:
        """Of these, unchanged marks, as far as is known."""
        return sum(one.repeats for one in self.missing)

    @property
    def bytes(self) -> int:
        """Bytes of the messages to send again."""
        return sum(one.size for one in self.missing)

    def as_json(self) -> dict[str, int]:
        """As part of the document of `rollcall archive replay --json`."""
        return {
            "messages": self.messages, "whole": self.whole, "to_send": len(self.missing), "marks": self.marks,
            "without_marks": self.without_marks, "repeats": self.repeats, "bytes": self.bytes, "waiting": self.waiting,
            "on_their_way": self.on_their_way, "bad_replays": self.bad_replays,
        }  # fmt: skip


class _Told(NamedTuple):
    """A message of the archive and what it is a delivery of. `items`: None when nobody can read it."""

    message: Message
    first: Place
    named: tuple[int, ...]
    items: range | None
    gone: frozenset[int]
    urn: int


class _Judged(NamedTuple):
    lost: list[int]
    repeats: list[int]
    replays: tuple[Place, ...]


def choose(settings: Settings, client: Client, *wanted: Range) -> Selection:
    """What of some ranges no table holds. Raises KafkaError, RegistryAway."""
    found = Selection()
    judged: list[tuple[_Told, _Judged]] = []
    with Registry(settings.registry.url) as registry:
        looking = _Looking(settings, client, SchemaCache(registry))
        for some in chain.from_iterable(messages(client, one) for one in wanted):
            found.messages += len(some)
            taken = [one for one in some if not looking.waits(one)]
            found.waiting += len(some) - len(taken)
            told = looking.read(taken)
            found.bad_replays += len(taken) - len(told)
            tables = looking.held(told)
            for one in told:
                if _is_on_its_way(one.first, tables):
                    found.on_their_way += 1
                else:
                    judged.append((one, _of_message(one, tables)))
    short = {one.urn for one, of_it in judged if of_it.lost}
    # What was sent again before comes in the place of the last that brought it: it may have been refused until then.
    seen: dict[Place, set[int]] = {one.first: set() for one, _ in judged if one.message.place != one.first}
    for one, of_it in reversed(judged):
        known = seen.get(one.first, set())
        repeats = [item for item in of_it.repeats if one.urn in short and item not in known]
        if items := sorted([*(item for item in of_it.lost if item not in known), *repeats]):
            known.update(items)
            value = one.message.value
            found.missing.append(
                Missing(
                    one.message.topic, one.message.place, one.first, tuple(items), of_it.replays, len(repeats),
                    len(value or b""),
                )
            )  # fmt: skip
    found.missing.reverse()
    found.whole = len(judged) - len(found.missing)
    return found


def replay(message: Message) -> replay_of.Replay | None:
    """What a message of the archive says of itself if it is a replay."""
    return replay_of.read([(replay_of.HEADER, one) for one in message.headers], message.arrived_ms)


class _Looking:
    """Looks at messages of one range: whether a worker has had them, what they hold, what stands of it."""

    def __init__(self, settings: Settings, client: Client, schemas: SchemaCache) -> None:
        self._settings, self._client, self._schemas = settings, client, schemas
        self._writer = Writer(client)
        self._ledger = Ledger(client, settings.worker.group)
        try:
            self._topics = topics_by_name(settings)
        except KafkaException as error:
            raise KafkaError(f"replay: Kafka does not answer: {error.args[0].str()}") from error
        self._kept_from = (first_day_kept(client) - _EPOCH).days
        self._next: dict[tuple[str, int], int] = {}
        #: Session dates and schools of the messages read last.
        self._days: list[int] = []
        self._urns: list[int] = []

    def waits(self, message: Message) -> bool:
        """A worker will take the message in by itself: it is on the topic as that is now, and the ledger not there."""
        topic_id, partition, offset = message.place
        topic = self._topics[message.topic]
        if topic.uuid != topic_id:
            return False
        if (topic_id, partition) not in self._next:
            done = self._ledger.ranges(topic.name, topic_id, [partition])[partition].done
            start = min((one.first for one in done), default=-1)
            if start < 0:
                start = kept_from(self._settings.kafka, topic.name, partition)
            self._next[topic_id, partition] = position(done, start)
        return offset >= self._next[topic_id, partition]

    def read(self, some: Sequence[Message]) -> list[_Told]:
        """What messages of one partition hold; without replays that cannot be believed. Raises RegistryAway."""
        believed = [(one, said) for one in some if (said := replay(one)) is None or not said.trouble]
        self._days, self._urns = [], []
        if not believed:
            return []
        first = believed[0][0]
        topic = Topic(first.topic, first.place.topic_id, MARK_TOPICS[first.topic])
        records = [
            Record(topic, one.place.partition, one.place.offset, one.key, one.value, one.arrived_ms)
            for one, _ in believed
        ]
        bound_ms = self._settings.worker.future_bound_seconds * 1000
        decoded = decode(Batch.cut(records, {}, 0), self._schemas, bound_ms)
        marks, deletions = decoded.marks, decoded.deletions
        self._days = marks["day"].unique().to_list()
        self._urns = decoded.messages["urn"].unique().sort().to_list()
        if len(deletions):
            of_message = decoded.messages.with_row_index("message").select("message", "urn", "source")
            wanted = deletions.join(of_message, on="message").select("urn", "source", "record_id").unique()
            self._days += self._writer.records(wanted)["day"].to_list()
        too_old = (pl.col("day") < self._kept_from) | (pl.col("pupil_ref") == ERASED)
        gone: dict[int, set[int]] = {}
        for message, item in marks.filter(too_old).select("message", "item").iter_rows():
            gone.setdefault(message, set()).add(item)
        counts = decoded.messages.select("record", pl.col("marks") + pl.col("deletions"), "urn")
        read = {record: (message, *rest) for message, (record, *rest) in enumerate(counts.iter_rows())}
        told = []
        for record, (one, said) in enumerate(believed):
            message, count, urn = read.get(record, (-1, 0, _urn(one.key)))
            place = one.place if said is None else Place(said.topic_id, said.partition, said.offset)
            named = () if said is None or said.whole else said.items
            items = range(count) if record in read else None
            told.append(_Told(one, place, named, items, frozenset(gone.get(message, ())), urn))
        return told

    def held(self, told: Sequence[_Told]) -> Held:
        """What the tables hold of messages read last, and of all replays of them."""
        days = [(_EPOCH + timedelta(days=day)).isoformat() for day in sorted(set(self._days)) if 0 <= day <= 65_535]
        return held(self._client, (one.first for one in told), days, self._urns)


def _of_message(told: _Told, tables: Held) -> _Judged:
    """Which items of a message no table holds, and which were unchanged, as far as is known."""
    first = told.first
    replays = [one for one in tables.replays[first] if one.outcome]
    places = {first, *(one.place for one in replays)}
    taken_whole = {one.place for one in replays if one.item == WHOLE and one.outcome == "accepted"}
    refused = {item for place in places for item in tables.quarantine[place]}
    if not told.items:
        known = WHOLE in refused or any(place in tables.accepted for place in places) or told.message.emptied
        return _Judged([] if known else [WHOLE], [], tuple(sorted(taken_whole)))
    if WHOLE in tables.quarantine[first] and not taken_whole:
        return _Judged([], [], ())
    rows = {place: tables.history[place] | tables.erased[place] for place in places}
    stands = {item for items in rows.values() for item in items} | told.gone
    # Refused whole and taken since: what the message holds was judged where that replay stands.
    complete = any(len(rows[place]) == tables.accepted.get(place) for place in taken_whole or {first})
    lost, repeats, lost_replays = [], [], set(taken_whole)
    for item in told.named or told.items:
        if item in stands:
            continue
        of_item = [one for one in replays if one.item == item]
        taken = {one.place for one in of_item if one.outcome != "refused"}
        if any(one.outcome == "accepted" for one in of_item):
            lost.append(item)
        elif item in refused:
            continue
        elif taken or complete:
            repeats.append(item)
        else:
            lost.append(item)
        lost_replays |= taken
    return _Judged(lost, repeats, tuple(sorted(lost_replays)))


def _is_on_its_way(first: Place, tables: Held) -> bool:
    """Sent again lately, and not judged."""
    replays = tables.replays[first]
    judged = {one.place for one in replays if one.outcome}
    lately = round((now() - LOST_AFTER).timestamp() * 1000)
    return any(
        one.item == OF_THE_MESSAGE and one.place not in judged and one.at_ms > lately for one in replays
    )  # fmt: skip


def _urn(key: bytes | None) -> int:
    return int(key) if key is not None and key.isdigit() and len(key) < 10 else 0

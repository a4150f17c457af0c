"""What is done about entries of quarantine: which are chosen, their bytes, and the notes that tell the story.

An entry is never changed. That it was sent again or discarded is a row of quarantine_trail, and what the worker made of
a replay is another (streams/trail.py); the views of migration 0022 say from these how an entry stands.
"""

from __future__ import annotations

import uuid
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import now
from rollcall.domain.findings import QUARANTINE_NAMES
from rollcall.errors import UsageError
from sinks.places import Place, about, parameters
from sinks.statements import load

__all__ = [
    "ARCHIVE_RUN", "LOST_AFTER", "OF_THE_MESSAGE", "Chosen", "Filter", "Left", "Selection", "Step", "Stored", "choose",
    "discard", "new_run", "note_sent", "selection_as_json", "step_as_json", "steps", "stored",
]  # fmt: skip

#: How the name of a run begins that sends out of the archive (streams/archive_replaying.py).
ARCHIVE_RUN = "archive-"
#: As an item: none of the message, but that the message was sent again out of the archive.
OF_THE_MESSAGE = -2
#: A replay that was not judged within this time is taken for lost, and its entry may be sent again.
LOST_AFTER = timedelta(days=1)
#: Messages whose bytes are held at a time; a page of 10,000 marks is about 1 MB.
_AT_ONCE = 100
#: The longest reason of a discard, in characters.
_LONGEST_WHY = 500


@dataclass(frozen=True)
class Filter:
    """Which open entries: all of those that every given condition holds for. `reason` is the one it has now."""

    reason: str = ""
    source: str = ""
    urn: int = 0
    since: datetime | None = None

    def __post_init__(self) -> None:
        if self.reason and self.reason not in QUARANTINE_NAMES:
            raise UsageError(f"no such reason: {self.reason}; there are {', '.join(QUARANTINE_NAMES)}")
        if self.since is not None and self.since.tzinfo is None:
            raise UsageError("since: an instant needs its zone")

    def parameters(self) -> dict[str, Any]:
        """As the parameters of quarantine_chosen.sql."""
        since = -1 if self.since is None else round(self.since.timestamp() * 1000)
        return {"reason": self.reason, "source": self.source, "urn": self.urn, "since": since}


class Chosen(NamedTuple):
    """Items of one message that something is to be done about; -1 alone is the whole message."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    items: tuple[int, ...]


class Stored(NamedTuple):
    """A message as it was received. `arrived_ms`: by Kafka's clock, ms since 1970."""

    chosen: Chosen
    key: bytes | None
    value: bytes | None
    arrived_ms: int


@dataclass(frozen=True)
class Left:
    """Entries that the filter meets and that are left alone: how many, and why."""

    on_their_way: int = 0
    #: Of topics that no worker reads: reference data and kiosk events are published again by their senders.
    of_other_topics: int = 0
    #: Replays whose header could not be believed.
    bad_replays: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.on_their_way + self.of_other_topics + self.bad_replays


@dataclass(frozen=True)
class Selection:
    """What was chosen, in the order of its first delivery, and what was left."""

    chosen: tuple[Chosen, ...]
    left: Left

    @property
    def entries(self) -> int:
        """Entries that were chosen."""
        return sum(len(one.items) for one in self.chosen)


class Step(NamedTuple):
    """One step of an entry's story. `outcome`: of a judgement, accepted, unchanged or why it was refused again."""

    item: int
    what: str
    at: datetime
    run: str
    by: str
    outcome: str
    why: str
    replayed_partition: int
    replayed_offset: int


def choose(client: Client, wanted: Filter, topics: Sequence[str] | None) -> Selection:
    """Open entries that the filter meets. `topics`: those that may be replayed; None: any, and bad replays too."""
    parameters = {
        **wanted.parameters(), "topics": list(topics or ()), "any_topic": topics is None,
        "lost_before": _lost_before(),
    }  # fmt: skip
    chosen: list[Chosen] = []
    left = Left()
    rows = client.query(load("quarantine_chosen"), parameters=parameters).result_rows
    for topic, topic_id, partition, offset, because, items in rows:
        if because:
            left = replace(left, **{because: getattr(left, because) + len(items)})
        else:
            chosen.append(Chosen(topic, topic_id, partition, offset, tuple(items)))
    return Selection(tuple(chosen), left)


def stored(client: Client, chosen: Sequence[Chosen]) -> Iterator[list[Stored]]:
    """The messages of what was chosen, in its order, some at a time. Those whose bytes are gone are left out."""
    for start in range(0, len(chosen), _AT_ONCE):
        some = chosen[start : start + _AT_ONCE]
        asked = parameters(Place(one.topic_id, one.partition, one.offset) for one in some)
        rows = client.query(about("quarantine_bytes"), parameters=asked).result_rows
        found = {
            tuple(place): (b64decode(key) or None, None if is_null else b64decode(value), int(arrived))
            for *place, key, value, is_null, arrived in rows
        }
        places_of = ((one, (one.topic_id, one.partition, one.offset)) for one in some)
        yield [Stored(one, *found[place]) for one, place in places_of if place in found]


def note_sent(client: Client, sent: Sequence[tuple[Chosen, tuple[str, int, int]]], run: str, by: str) -> None:
    """Note that messages were sent again, when Kafka has them; with the place (topic id, partition, offset) of each."""
    at = now()
    _note(
        client,
        [
            (one.topic_id, one.partition, one.offset, item, "sent", run, by, "", *place, item, at)
            for one, place in sent
            for item in one.items
        ],
    )


def discard(client: Client, chosen: Sequence[Chosen], run: str, by: str, why: str) -> None:
    """Close entries for good: they stay countable, with who, when and why. Raises UsageError for no proper reason."""
    if not why.strip() or len(why) > _LONGEST_WHY or not why.isprintable():
        raise UsageError(f"a reason is wanted, in one line of at most {_LONGEST_WHY} characters; no names")
    at = now()
    _note(
        client,
        [
            (one.topic_id, one.partition, one.offset, item, "discarded", run, by, why, "", 0, 0, item, at)
            for one in chosen
            for item in one.items
        ],
    )


def steps(client: Client, topic_id: str, partition: int, offset: int) -> list[Step]:
    """All that was done about the entries of one message, item by item, in order."""
    place = {"topic_id": topic_id, "partition": partition, "offset": offset}
    return [Step(*row) for row in client.query(load("quarantine_steps"), parameters=place).result_rows]


def new_run(kind: str = "") -> str:
    """The name of a run that nobody else has; `kind`: how it begins."""
    return kind + uuid.uuid4().hex[:12]


def step_as_json(step: Step) -> dict[str, Any]:
    """As an element of `rollcall quarantine show --json`."""
    return {**step._asdict(), "at": step.at.isoformat()}


def selection_as_json(selection: Selection) -> dict[str, Any]:
    """What was chosen and left, in numbers."""
    return {"entries": selection.entries, "messages": len(selection.chosen), "left": asdict(selection.left)}


_COLUMNS = (
    "topic_id", "partition", "offset", "item", "what", "run", "by", "why", "replayed_topic_id", "replayed_partition",
    "replayed_offset", "replayed_item", "at",
)  # fmt: skip


def _note(client: Client, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        client.insert("quarantine_trail", rows, column_names=_COLUMNS, settings={"async_insert": 0})


def _lost_before() -> int:
    return round((now() - LOST_AFTER).timestamp() * 1000)

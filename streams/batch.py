"""What the worker takes from Kafka at a time: messages in order, and the offset ranges they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xxhash

from streams.replay_of import Replay

__all__ = ["Batch", "Record", "Topic", "TopicRange"]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that carries marks. ``uuid`` is Kafka's id of the topic: a recreated topic is another topic."""

    name: str
    uuid: str
    source_kind: str


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record. ``timestamp_ms``: the record's arrival by Kafka's clock (ms since 1970, UTC).

    ``replay``: it was delivered before, and is sent again out of quarantine.
    """

    topic: Topic
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    replay: Replay | None = None


@dataclass(slots=True)
class TopicRange:
    """A contiguous range of offsets of one partition, ends included; offsets without a record are ``no_record``."""

    topic: Topic
    partition: int
    first: int
    last: int
    epoch: int = 0
    digest: int = 0
    no_record: int = 0
    decoded: int = 0
    undecodable: int = 0
    marks: int = 0
    accepted: int = 0
    unchanged: int = 0
    quarantined: int = 0

    @property
    def messages(self) -> int:
        """Offsets covered."""
        return self.last - self.first + 1


@dataclass(slots=True)
class Batch:
    """Records of one or more ranges, ordered by topic, partition and offset.

    ``id`` is a function of the ranges and their epochs, so the same batch taken again is the same batch.
    ``ingested_ms`` is the knowledge time of everything in it (rule 9).
    """

    records: list[Record]
    ranges: list[TopicRange]
    ingested_ms: int
    id: int = field(init=False)
    #: Whether any record is a replay: few batches hold one, and the others pay nothing for it.
    has_replays: bool = field(init=False)

    def __post_init__(self) -> None:
        self.has_replays = any(r.replay is not None for r in self.records)
        self.set_epochs({})

    def set_epochs(self, epochs: dict[tuple[str, int], int]) -> None:
        """Give the ranges the epochs (by topic UUID and partition) under which they are taken; the id follows."""
        for r in self.ranges:
            r.epoch = epochs.get((r.topic.uuid, r.partition), r.epoch)
        hasher = xxhash.xxh3_64()
        for r in self.ranges:
            hasher.update(f"{r.topic.uuid}|{r.partition}|{r.first}|{r.last}|{r.epoch}|".encode())
        self.id = hasher.intdigest()

    @classmethod
    def cut(cls, records: Sequence[Record], starts: dict[tuple[str, int], int], ingested_ms: int) -> Batch:
        """Order ``records`` and name the ranges they cover.

        ``starts``: (topic name, partition) -> the position before these records, so that a gap before the first
        of them (transaction markers, compacted offsets) belongs to the range and is counted as ``no_record``.
        """
        ordered = sorted(records, key=lambda r: (r.topic.name, r.partition, r.offset))
        ranges = [_range_of(run, starts) for run in _runs(ordered)]
        return cls(ordered, ranges, ingested_ms)

    def spans(self) -> Iterator[tuple[TopicRange, slice]]:
        """Each range with the slice of ``records`` that belongs to it."""
        at = 0
        for r in self.ranges:
            count = r.messages - r.no_record
            yield r, slice(at, at + count)
            at += count

    def offsets(self) -> npt.NDArray[np.uint64]:
        """Offset of each record."""
        return np.fromiter((r.offset for r in self.records), np.uint64, len(self.records))

    def timestamps(self) -> npt.NDArray[np.int64]:
        """Arrival of each record by Kafka's clock, ms since 1970."""
        return np.fromiter((r.timestamp_ms for r in self.records), np.int64, len(self.records))

    def first_offsets(self) -> npt.NDArray[np.uint64]:
        """Offset of each record where it was first delivered: it decides among what is asserted at one millisecond."""
        if not self.has_replays:
            return self.offsets()
        first = (r.offset if r.replay is None else r.replay.offset for r in self.records)
        return np.fromiter(first, np.uint64, len(self.records))

    def first_arrivals(self) -> npt.NDArray[np.int64]:
        """Arrival of each record when it was first delivered: no clock is believed far beyond it (rule 6)."""
        if not self.has_replays:
            return self.timestamps()
        first = (r.timestamp_ms if r.replay is None else r.replay.arrived_ms for r in self.records)
        return np.fromiter(first, np.int64, len(self.records))


def _runs(ordered: Sequence[Record]) -> Iterator[Sequence[Record]]:
    start = 0
    for i in range(1, len(ordered) + 1):
        if i == len(ordered) or (ordered[i].topic, ordered[i].partition) != (
            ordered[start].topic,
            ordered[start].partition,
        ):
            yield ordered[start:i]
            start = i


def _range_of(run: Sequence[Record], starts: dict[tuple[str, int], int]) -> TopicRange:
    topic, partition = run[0].topic, run[0].partition
    first = min(starts.get((topic.name, partition), run[0].offset), run[0].offset)
    last = run[-1].offset
    return TopicRange(topic, partition, first, last, digest=digest(run), no_record=last - first + 1 - len(run))


def digest(records: Sequence[Record]) -> int:
    """xxh3 over offsets and raw bytes: what a replay of the range must come to."""
    hasher = xxhash.xxh3_64()
    hasher.update(np.fromiter((r.offset for r in records), np.uint64, len(records)).tobytes())
    hasher.update(
        np.fromiter((-1 if r.value is None else len(r.value) for r in records), np.int64, len(records)).tobytes()
    )
    for r in records:
        hasher.update(r.value or b"")
    return hasher.intdigest()

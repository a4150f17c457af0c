"""The archive's process: copies the marks' messages from Kafka into ClickHouse, beside the worker and not in its path.

One walk for a batch: read, write, commit. The offset committed to Kafka is where it goes on, and it is committed after
the rows stand: killed anywhere, the same messages are written once more, and a message is its place (sinks/archive.py).
What an erasure has withheld is left out before the insert, and looked for again after it, so that neither an erasure
that runs meanwhile nor a batch that is read twice brings a pupil back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import confluent_kafka
import pyarrow as pa
import structlog
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from rollcall import metrics
from rollcall.domain.clock import now
from rollcall.errors import KafkaError
from rollcall.failpoints import FailPoints
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from sinks import archive
from sinks.clickhouse import ClickHouseAway, patiently
from sinks.places import Place
from streams import replay_of
from streams.assignment import MARK_TOPICS, topics_by_name
from streams.reader import tuned

__all__ = ["Archiver"]

_log = structlog.get_logger()

#: A batch is closed at so many messages, or so many bytes of values: one insert, one part.
_BATCH_MESSAGES, _BATCH_BYTES = 20_000, 32 * 1024 * 1024
#: ... or so long after its first message (s): nobody waits for the archive, and few large parts cost less than many.
_LINGER_S = 5.0
#: Messages taken from librdkafka at once.
_AT_ONCE = 2_000
#: Kafka's words for "none yet", in place of an offset.
_NONE = -1
_TIMESTAMP = pa.timestamp("ms", "UTC")


@dataclass(slots=True)
class _Batch:
    messages: list[Message] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.messages) >= _BATCH_MESSAGES or self.size >= _BATCH_BYTES


class Archiver:
    """Archives the mark topics into one database. `client` is connected to it and used from the calling thread only."""

    def __init__(
        self, settings: Settings, client: Client, *, fail: FailPoints | None = None, linger_s: float = _LINGER_S
    ) -> None:
        self._settings, self._client = settings, client
        self._fail, self._linger_s = fail or FailPoints(""), linger_s
        self._stop = threading.Event()
        self._waits = False
        self._topic_ids: dict[str, str] = {}
        #: (topic, partition) -> the next offset, of the partitions that are ours; _NONE before the first message.
        self._next: dict[tuple[str, int], int] = {}
        self._consumer = Consumer(
            {
                **tuned(settings.kafka), "group.id": settings.archive.group, "auto.offset.reset": "earliest",
                "enable.partition.eof": True, "session.timeout.ms": 10_000, "max.poll.interval.ms": 600_000,
            },
            logger=quiet_librdkafka(),
        )  # fmt: skip

    def run(self, stop: threading.Event | None = None, *, once: bool = False) -> int:
        """Archive what is on the topics, and what comes, until `stop` is set; with `once`, what is there at the start.

        Returns how many messages were written. Raises KafkaError when a topic is missing, ClickHouseError when
        ClickHouse refuses for good. A part that is merely away is waited for.
        """
        self._stop = stop or threading.Event()
        written = 0
        try:
            if archive.keep_for(self._client, self._settings.archive.retention_days):
                _log.info("archive_retention", days=self._settings.archive.retention_days)
            self._topic_ids = {name: topic.uuid for name, topic in topics_by_name(self._settings).items()}
            ends = self._ends() if once else {}
            self._consumer.subscribe(
                list(MARK_TOPICS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
            while not self._stop.is_set():
                batch = self._gather(ends)
                if batch.messages:
                    written += self._keep(batch.messages)
                if once and self._reached(ends):
                    break
        except ClickHouseAway:
            if not self._stop.is_set():
                raise
        except KafkaException as error:
            raise KafkaError(f"the archive: Kafka does not answer: {error.args[0].str()}") from error
        finally:
            self._consumer.close()
        _log.info("archive_stopped", messages=written)
        return written

    def not_ready(self) -> dict[str, str]:
        """What keeps the archive from its work, empty when nothing does (/readyz)."""
        if self._waits:
            return {"clickhouse": "does not answer"}
        return {} if self._next else {"partitions": "none assigned yet"}

    def _gather(self, ends: dict[tuple[str, int], int]) -> _Batch:
        """What comes until a batch is full or old enough; with `ends`, no longer than until they are reached."""
        batch, due = _Batch(), float("inf")
        while not batch.full and time.monotonic() < due and not self._stop.is_set():
            for message in self._consumer.consume(_AT_ONCE, 0.2):
                self._take(message, batch)
            if batch.messages and due == float("inf"):
                due = time.monotonic() + self._linger_s
            if ends and self._reached(ends):
                break
        return batch

    def _take(self, message: Message, batch: _Batch) -> None:
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is not None:
            if error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                self._next[topic, partition] = offset
            elif not error.retriable() and error.code() != confluent_kafka.KafkaError._ALL_BROKERS_DOWN:
                raise KafkaError(f"the archive, reading {topic or 'the mark topics'}: {error.str()}")
            return
        expected = self._next.get((topic, partition), _NONE)
        if 0 <= expected < offset:
            self._tell_lost(topic, partition, expected)
        self._next[topic, partition] = offset + 1
        batch.messages.append(message)
        batch.size += len(message.value() or b"")

    def _tell_lost(self, topic: str, partition: int, expected: int) -> None:
        """Offsets without a record are nothing lost; those before the topic's beginning are."""
        low, _ = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        if low > expected:
            metrics.ARCHIVE_LOST_MESSAGES.inc(low - expected)
            _log.error("archive_lost", topic=topic, partition=partition, first=expected, last=low - 1)

    def _keep(self, messages: Sequence[Message]) -> int:
        """Write a batch, then commit it; returns how many messages were written."""
        self._fail.reach("archive.read")
        places = [self._place(message) for message in messages]
        written = patiently(
            lambda: self._write(messages, places), what="archiving messages", still_wanted=self._wanted,
            on_wait=self._waiting,
        )  # fmt: skip
        self._fail.reach("archive.written")
        self._commit(messages)
        self._fail.reach("archive.committed")
        metrics.ARCHIVED_MESSAGES.inc(written)
        metrics.ARCHIVED_BYTES.inc(sum(len(message.value() or b"") for message in messages))
        return written

    def _write(self, messages: Sequence[Message], places: Sequence[Place]) -> int:
        left_out = archive.withheld(self._client, places)
        rows = [(one, place) for one, place in zip(messages, places, strict=True) if place not in left_out]
        if rows:
            archive.write(self._client, _rows(rows))
        # An erasure may have looked between our question and our insert, or after the insert of a writer that died.
        if dropped := archive.drop_withheld(self._client, places):
            _log.info("archive_withheld", messages=dropped)
        return len(rows)

    def _commit(self, messages: Sequence[Message]) -> None:
        """Tell Kafka where to go on, of the partitions that are still ours; another owner writes the rest once more."""
        behind: dict[tuple[str, int], int] = {}
        for message in messages:
            behind[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
        ours = {place: offset for place, offset in behind.items() if place in self._next}
        if not ours:
            return
        try:
            self._consumer.commit(
                offsets=[TopicPartition(*place, offset) for place, offset in ours.items()], asynchronous=False
            )
        except KafkaException as error:
            _log.warning("archive_not_committed", reason=error.args[0].name())

    def _place(self, message: Message) -> Place:
        return Place(self._topic_ids[message.topic() or ""], message.partition() or 0, message.offset() or 0)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._topic_ids = {name: topic.uuid for name, topic in topics_by_name(self._settings).items()}
        for one in consumer.committed(partitions, timeout=30):
            self._next[one.topic, one.partition] = one.offset if one.offset >= 0 else _NONE
        _log.info("archive_assigned", partitions=len(partitions))

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._next.pop((one.topic, one.partition), None)

    def _ends(self) -> dict[tuple[str, int], int]:
        """(topic, partition) -> the offset behind the last message, of every partition."""
        ends: dict[tuple[str, int], int] = {}
        for topic in MARK_TOPICS:
            for partition in self._consumer.list_topics(topic, timeout=30).topics[topic].partitions:
                _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
                ends[topic, partition] = high
        return ends

    def _reached(self, ends: dict[tuple[str, int], int]) -> bool:
        """Whether our partitions are read to `ends`."""
        return bool(self._next) and all(offset >= ends.get(place, 0) for place, offset in self._next.items())

    def _wanted(self) -> bool:
        return not self._stop.is_set()

    def _waiting(self, waits: bool) -> None:
        self._waits = waits


def _rows(messages: Sequence[tuple[Message, Place]]) -> pa.Table:
    """Rows of message_archive."""
    topic_ids, partitions, offsets = zip(*(place for _, place in messages), strict=True)
    keys = [_bytes(message.key()) for message, _ in messages]
    values = [message.value() for message, _ in messages]
    count = len(messages)
    return pa.table(
        {
            "topic": pa.array([message.topic() for message, _ in messages], pa.string()),
            "topic_id": pa.array(topic_ids, pa.string()),
            "partition": pa.array(partitions, pa.uint16()),
            "offset": pa.array(offsets, pa.uint64()),
            "urn": pa.array([_urn(key) for key in keys], pa.uint32()),
            "key": pa.array(keys, pa.binary()),
            "value": pa.array([_bytes(value) for value in values], pa.binary()),
            "is_null": pa.array([value is None for value in values], pa.bool_()),
            "replay_of": pa.array([_replay_headers(message) for message, _ in messages], pa.list_(pa.binary())),
            "arrived_at": pa.array([message.timestamp()[1] for message, _ in messages], pa.int64()).cast(_TIMESTAMP),
            "archived_at": pa.array([now()] * count, _TIMESTAMP),
            "rewritten_at": pa.array([archive.AS_RECEIVED] * count, _TIMESTAMP),
        }
    )


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _urn(key: bytes) -> int:
    return int(key) if key.isdigit() and len(key) < 10 else 0


def _replay_headers(message: Message) -> list[bytes]:
    headers = message.headers()
    told = headers.items() if isinstance(headers, dict) else headers or ()
    return [_bytes(value) for name, value in told if name == replay_of.HEADER]

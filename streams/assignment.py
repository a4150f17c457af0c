"""Taking partitions over, step 1 of the ledger: claim an epoch, finish what was begun, find where to go on."""

from __future__ import annotations

import os
import socket
import uuid

import structlog
from confluent_kafka import Consumer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from rollcall import metrics
from rollcall.errors import LedgerError
from rollcall.failpoints import FailPoints
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from sinks.clickhouse import connect
from sinks.ledger import Ledger, LedgerRange, position
from sinks.writer import Writer
from streams.batch import Topic
from streams.decode import SchemaCache
from streams.frames import EVIDENCE
from streams.memory import Memory
from streams.pipeline import Guard, Pipeline
from streams.reader import RangeReader, existing
from streams.recovery import Recovery
from streams.world import World

__all__ = ["MARK_TOPICS", "Assignment", "topics_by_name"]

_log = structlog.get_logger()

#: Topics that carry marks, with the kind of source on each.
MARK_TOPICS: dict[str, str] = {
    "attendance.register.v1": "register", "attendance.mis.v1": "mis", EVIDENCE: "kiosk",
}  # fmt: skip


def worker_name() -> str:
    """Who claims: host, process and a random part; a claim never matches another process's."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def topics_by_name(settings: Settings) -> dict[str, Topic]:
    """The mark topics with their UUIDs.

    Raises KafkaError when one does not exist, KafkaException when Kafka does not answer.
    """
    admin = AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka())
    futures = admin.describe_topics(TopicCollection(list(MARK_TOPICS)), request_timeout=30)
    topics = {}
    for name, future in futures.items():
        topics[name] = Topic(name, str(existing(name, future).topic_id), MARK_TOPICS[name])
    return topics


class Assignment:
    """The partitions this worker owns between two rebalances, and all that belongs to them."""

    def __init__(
        self, settings: Settings, consumer: Consumer, partitions: list[TopicPartition], topics: dict[str, Topic],
        schemas: SchemaCache, world: World, fail: FailPoints, *, skip_lost: bool = False,
    ) -> None:  # fmt: skip
        """Claims, recovers, and leaves the positions in ``start``. May take as long as recovery does.

        ``skip_lost``: offsets that retention took are recorded in the ledger (as no_record) and passed over.

        Raises LedgerError (other bytes at an offset; offsets that retention took), KafkaError, ClickHouseError,
        RegistryAway.
        """
        self.guard = Guard(settings.worker.session_timeout_ms / 1000)
        self.topics = topics
        self._consumer = consumer
        self._fail, self._skip_lost = fail, skip_lost
        client = connect(settings.clickhouse)
        self.writer, self.ledger = Writer(client), Ledger(client, settings.worker.group)
        owned: dict[Topic, list[int]] = {}
        for p in partitions:
            owned.setdefault(topics[p.topic], []).append(p.partition)
        self.memory = Memory(self.writer, owned, expected=settings.worker.expected_assertions)
        self.last_ingested_ms = 0
        #: Ranges beyond the position that are DONE already (begun by a writer that was replaced): to be passed over.
        self.ahead: dict[tuple[str, int], list[tuple[int, int]]] = {}
        places = [(topic.uuid, number) for topic, numbers in owned.items() for number in numbers]
        self.guard.epochs.update(dict.fromkeys(places, self.ledger.claim(places, worker_name())))
        fail.reach("epoch.claimed")
        self.start = self._recover(settings, owned, schemas, world)
        metrics.ASSIGNED_PARTITIONS.set(len(partitions))
        metrics.LEDGER_PENDING.set(self.ledger.pending())
        self.pipeline = Pipeline(settings, self.guard, fail)

    def _recover(
        self, settings: Settings, owned: dict[Topic, list[int]], schemas: SchemaCache, world: World
    ) -> dict[tuple[str, int], int]:
        """Settle what was begun; returns where each partition goes on. The memory never learns rows from there on: a
        writer that was replaced may have left some, and a mark must not be taken for a repeat of itself.
        """
        ledgers = {
            (topic, number): held
            for topic, numbers in owned.items()
            for number, held in self.ledger.ranges(topic.name, topic.uuid, numbers).items()
        }
        self.memory.unread = [
            (topic.uuid, number, min((r.first for r in held.pending), default=self._position(topic, number, held.done)))
            for (topic, number), held in ledgers.items()
        ]
        start: dict[tuple[str, int], int] = {}
        reader: RangeReader | None = None
        try:
            for (topic, number), held in ledgers.items():
                self.last_ingested_ms = max(self.last_ingested_ms, held.latest)
                done = held.done
                if held.pending:
                    reader = reader or RangeReader(settings.kafka)
                    recovery = Recovery(
                        self.ledger, self.writer, reader, schemas, world, self.memory, self._fail,
                        settings.worker.future_bound_seconds * 1000, settings.worker.suppression,
                    )  # fmt: skip
                    done = recovery.settle(topic, held.pending, done)
                start[topic.name, number] = at = self._position(topic, number, done)
                if ahead := [(r.first, r.last) for r in done if r.first > at]:
                    self.ahead[topic.name, number] = sorted(ahead)
        finally:
            if reader is not None:
                reader.close()
        self.memory.unread = [(topic.uuid, number, start[topic.name, number]) for topic, number in ledgers]
        return start

    def _position(self, topic: Topic, number: int, done: list[LedgerRange]) -> int:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(topic.name, number), timeout=30)
        at = position(done, min((r.first for r in done), default=low))
        if at < low and self._skip_lost:
            _log.error("offsets_lost", topic=topic.name, partition=number, first=at, last=low - 1)
            lost = LedgerRange(
                topic.name, topic.uuid, number, at, low - 1, self.guard.epochs[topic.uuid, number], 0,
                self.last_ingested_ms, 0, 0,
                no_record=low - at,
            )  # fmt: skip
            self.ledger.write("DONE", [lost], f"lost:{topic.uuid}:{number}:{at}:{low}")
            return int(low)
        if at < low:
            raise LedgerError(
                f"{topic.name} partition {number}: offsets {at} to {low - 1} were taken by retention before they were"
                " read; nothing is skipped by itself: reload those days from their sources, then"
                " `rollcall worker --skip-lost`"
            )
        if at > high:
            raise LedgerError(
                f"{topic.name} partition {number}: the ledger is at {at}, the topic ends at {high}; was it emptied?"
            )
        return at

    def close(self) -> None:
        """Stop writing and let go; what is not DONE stays PENDING for the next owner."""
        self.pipeline.close()
        metrics.ASSIGNED_PARTITIONS.set(0)

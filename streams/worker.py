"""The worker: poll -> decode -> check -> identify -> map -> amend -> suppress -> write -> derive -> commit.

The polling thread is this file: it gathers records, cuts batches, runs the steps (streams/process.py) and commits
offsets. Writing and deriving run behind it (streams/pipeline.py). The numbered steps of the ledger and what a failure
of each means are in docs/guarantees.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as LibrdkafkaError

from rollcall import metrics
from rollcall.errors import KafkaError
from rollcall.failpoints import FailPoints
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas import wire
from schemas.registry import Registry, RegistryAway
from sinks.clickhouse import connect, first_line, is_passing, patiently
from sinks.ledger import LedgerRange
from streams.assignment import MARK_TOPICS, Assignment, topics_by_name
from streams.batch import Batch, Record, Topic, TopicRange
from streams.brake import Brake
from streams.decode import SchemaCache
from streams.pipeline import Fenced, Work
from streams.process import Outcome, process
from streams.reader import record_of, tuned
from streams.world import ReferenceReader, World

__all__ = ["Worker"]

_log = structlog.get_logger()

#: A partition that was just made, or lost its broker, has no leader for a moment.
_LEADERLESS = (LibrdkafkaError.NOT_LEADER_FOR_PARTITION, LibrdkafkaError.LEADER_NOT_AVAILABLE)
#: Records asked of librdkafka at a time.
_POLL_RECORDS = 5_000
#: Marks a second above which batches are cut at the short linger.
_BUSY_MARKS_PER_S = 5_000
#: Seconds between looks at reference data, and between tries of a registry that is away.
_REFERENCE_EVERY_S, _REGISTRY_EVERY_S = 1.0, 1.0
#: Seconds between counts of the ledger's PENDING ranges (metric rollcall_ledger_pending).
_PENDING_EVERY_S = 10.0
#: Seconds after which a partition that the brake holds is tried again all the same: none stands still for good.
_BRAKE_S = 300.0


class Worker:
    """Consumes the mark topics as one member of the consumer group, until stopped."""

    def __init__(
        self,
        settings: Settings,
        reference: ReferenceReader,
        fail: FailPoints | None = None,
        *,
        skip_lost: bool = False,
        reference_left: Callable[[], int] | None = None,
    ) -> None:
        """``skip_lost``: go on where retention took offsets before they were read; the ledger records them.
        ``reference_left``: reference records still to be applied; the worker waits until there are none.
        """
        self._reference_left = reference_left
        self._settings = settings
        self._skip_lost = skip_lost
        self._fail = fail or FailPoints("")
        self._registry = Registry(settings.registry.url)
        self._schemas = SchemaCache(self._registry)
        self._world = World(reference)
        self._stop = threading.Event()
        self._assignment: Assignment | None = None
        self._topics: dict[str, Topic] = {}
        self._client: Client | None = None
        self._away = ""
        self._next: dict[tuple[str, int], int] = {}
        self._held: dict[tuple[str, int], float] = {}
        self._brake = Brake()
        self._bytes_per_mark, self._marks_per_s = 25.0, 0.0
        self._looked_at_reference = self._counted_pending = 0.0
        self._last_ingested_ms = 0
        self._trouble: BaseException | None = None

    def stop(self) -> None:
        """Finish what is in flight and return from `run`."""
        self._stop.set()

    def not_ready(self) -> dict[str, str]:
        """What keeps the worker from being ready, empty when it is (/readyz)."""
        if self._away:
            return {self._away: "away; nothing is read until it is back"}
        if self._assignment is None:
            return {"partitions": "none assigned yet"}
        if self._brake.waiting:
            return {"schools": "most of a partition's now fail: it waits for reference data or schemas"}
        if self._held:
            return {"registry": "away; partitions with unknown schemas wait"}
        return {}

    def run(self) -> None:
        """Work until `stop`. Fenced writers start over, and so does who finds Kafka, ClickHouse or the registry away,
        at the start as much as later; every other failure is raised and ends the process non-zero.
        """
        while not self._stop.is_set():
            try:
                client = self._learn()
                self._member(client)
            except Fenced as e:
                _log.warning("worker_fenced", why=str(e))
            except RegistryAway as e:
                self._start_over("registry", e)
            except KafkaException as e:
                error = e.args[0]
                if error.fatal() or (error.code() > 0 and not error.retriable() and error.code() not in _LEADERLESS):
                    raise KafkaError(f"Kafka refuses: {e.args[0].str()}") from e
                self._start_over("kafka", e)
            except Exception as e:
                if not is_passing(e):
                    raise
                self._start_over("clickhouse", e)

    def _start_over(self, who: str, why: Exception) -> None:
        """Something is away where no step can wait for it: leave the group, come back. Nothing is lost by it."""
        self._away = who
        _log.warning("worker_starts_over", away=who, why=first_line(why))
        self._stop.wait(1.0)

    def _learn(self) -> Client:
        """Before a membership: the topics as they are now, and, once, all reference data that came before us."""
        self._topics = topics_by_name(self._settings)
        if self._client is None:
            client = connect(self._settings.clickhouse)
            self._await_reference()
            self._world.load(client)
            self._client = client
        self._away = ""
        return self._client

    def _await_reference(self) -> None:
        """Reference data that was on its topics when we started comes before the first mark."""
        if self._reference_left is None:
            return
        told = 0.0
        while not self._stop.is_set() and (left := self._reference_left()) > 0:
            if time.monotonic() - told > 10:
                _log.warning("waiting_for_reference", records_left=left, hint="is `rollcall reference run` running?")
                told = time.monotonic()
            self._stop.wait(0.2)

    # ---- one membership of the group

    def _member(self, client: Client) -> None:
        """One membership of the consumer group, from joining to leaving."""
        settings = self._settings.worker
        consumer = Consumer(
            {
                **tuned(self._settings.kafka),
                "group.id": settings.group,
                "partition.assignment.strategy": "range",
                "session.timeout.ms": settings.session_timeout_ms,
                "heartbeat.interval.ms": max(settings.session_timeout_ms // 4, 200),
                "auto.offset.reset": "earliest",
            },
            logger=quiet_librdkafka(),
        )
        try:
            assigned = partial(self._assigned, client)
            consumer.subscribe(list(MARK_TOPICS), on_assign=assigned, on_revoke=self._revoked, on_lost=self._lost)
            while not self._stop.is_set():
                records = self._gather(consumer)
                if records and self._assignment is not None:
                    if any(r.replay is not None for r in records):
                        self._refresh(client)  # a replay is sent because of reference data: it must be in force
                    self._take(consumer, self._assignment, records)
                self._commit(consumer)
                self._look_at_reference(client)
            self._let_go(consumer, patience_s=30.0)
        finally:
            if self._assignment is not None:
                self._assignment.close()
                self._assignment = None
            consumer.close()

    def _gather(self, consumer: Consumer) -> list[Record]:
        """Records of one batch: until it is full, or the linger since its first record is over.

        While a batch waits to be written another would only wait behind it: this one grows, and costs less a mark.
        """
        settings = self._settings.worker
        busy = self._marks_per_s > _BUSY_MARKS_PER_S
        linger = (settings.linger_busy_ms if busy else settings.linger_quiet_ms) / 1000
        room = settings.batch_marks * self._bytes_per_mark
        records: list[Record] = []
        assignment, held, deadline = self._assignment, 0, time.monotonic() + 0.2
        started = time.perf_counter()
        while held < room and not self._stop.is_set():
            wait = deadline - time.monotonic()
            if wait <= 0 and not (records and assignment is not None and assignment.pipeline.one_waits):
                break
            messages = consumer.consume(_POLL_RECORDS, min(max(wait, 0.01), 0.05))
            self._after_poll()
            if self._assignment is not assignment:  # a rebalance: what was gathered belongs to the old assignment
                assignment, records, held = self._assignment, [], 0
            for message in messages:
                if (error := message.error()) is not None:
                    self._poll_error(error)
                elif (record := self._admit(consumer, message, records)) is not None:
                    if not records:
                        deadline = time.monotonic() + linger
                    records.append(record)
                    held += len(record.value or b"")
        metrics.STEP_SECONDS.labels(step="poll").observe(time.perf_counter() - started)
        return records

    def _after_poll(self) -> None:
        if self._assignment is not None:
            self._assignment.guard.polled()
            self._assignment.pipeline.raise_failure()
        if self._trouble is not None:
            trouble, self._trouble = self._trouble, None
            raise trouble

    def _poll_error(self, error: Any) -> None:
        if error.code() == LibrdkafkaError._PARTITION_EOF:
            return
        if error.fatal() or not (error.retriable() or error.code() < 0):
            raise KafkaError(f"Kafka refuses: {error.str()}")
        _log.warning("kafka_trouble", error=error.name())

    def _admit(self, consumer: Consumer, message: Any, records: list[Record]) -> Record | None:
        """The record of a message, None when it is not its turn: not ours, DONE already, its schema unknown yet."""
        assert self._assignment is not None
        place = (message.topic(), message.partition())
        offset = message.offset()
        expected = self._next.get(place)
        if expected is None or offset < expected or self._held.get(place):
            return None
        ahead = self._assignment.ahead.get(place)
        if ahead and offset >= ahead[0][0]:
            self._pass_over(consumer, place, ahead, records)
            return None
        record = record_of(message, self._topics[place[0]])
        if record.value is not None and len(record.value) >= wire.HEADER:
            try:
                self._schemas.ensure(wire.schema_id(record.value))
            except ValueError:
                pass  # no wire header: decode refuses it
            except RegistryAway:
                self._hold(consumer, place, offset)
                return None
        return record

    def _pass_over(
        self, consumer: Consumer, place: tuple[str, int], ahead: list[tuple[int, int]], records: list[Record]
    ) -> None:
        """Skip a range that is DONE already; what was gathered before it becomes a batch of its own first."""
        first, last = ahead[0]
        if any((r.topic.name, r.partition) == place for r in records):
            consumer.seek(TopicPartition(*place, first))
            self._held[place] = time.monotonic()
        else:
            self._next[place] = last + 1
            ahead.pop(0)
            consumer.seek(TopicPartition(*place, last + 1))

    def _hold(self, consumer: Consumer, place: tuple[str, int], offset: int) -> None:
        """The registry is away and a schema is unknown: the partition waits, nothing is refused."""
        _log.warning("registry_away", topic=place[0], partition=place[1], offset=offset)
        self._held[place] = time.monotonic() + _REGISTRY_EVERY_S
        consumer.seek(TopicPartition(*place, offset))
        consumer.pause([TopicPartition(*place)])
        self._tell_held()

    def _release(self, consumer: Consumer) -> None:
        """Let partitions go on whose time to try again has come."""
        now = time.monotonic()
        for place, until in list(self._held.items()):
            if now >= until:
                del self._held[place]
                self._brake.go_on(place)
                consumer.resume([TopicPartition(*place)])
                self._tell_held()

    def _tell_held(self) -> None:
        waiting = len(self._brake.waiting)
        metrics.PAUSED_PARTITIONS.labels(reason="registry_away").set(len(self._held) - waiting)
        metrics.PAUSED_PARTITIONS.labels(reason="schools_fail").set(waiting)

    def _stop_for_schools(self, consumer: Consumer, outcome: Outcome) -> None:
        """Let partitions wait most of whose schools fail that passed before."""
        stopping = self._brake.judge(outcome.batch.ranges, outcome.schools)
        for place in stopping:
            _log.error("most_schools_fail", topic=place[0], partition=place[1], offset=self._next[place])
            self._held[place] = time.monotonic() + _BRAKE_S
            consumer.seek(TopicPartition(*place, self._next[place]))
            consumer.pause([TopicPartition(*place)])
        if stopping:
            self._tell_held()

    def _let_schools_go_on(self, places: list[tuple[str, int]]) -> None:
        """What they waited for may have come."""
        for place in places:
            self._held[place] = time.monotonic()

    def _look_at_schemas(self) -> None:
        """Partitions that wait for schemas which the registry has by now go on."""
        for place, schema_ids in self._brake.waiting.items():
            try:
                for schema_id in schema_ids:
                    self._schemas.ensure(schema_id)
            except RegistryAway:
                return
            if any(self._schemas.decoder(schema_id) is not None for schema_id in schema_ids):
                self._let_schools_go_on([place])

    # ---- one batch

    def _take(self, consumer: Consumer, assignment: Assignment, records: list[Record]) -> None:
        """Steps 2 and 3: PENDING, and the walk of the marks; then the batch goes to the writing thread."""
        started = time.perf_counter()
        # Never the same twice, whatever the clock does: a mark that takes another's place raises its session's version.
        before = max(assignment.last_ingested_ms, self._last_ingested_ms)
        self._last_ingested_ms = max(int(time.time() * 1000), before + 1)
        batch = Batch.cut(records, self._next, self._last_ingested_ms)
        batch.set_epochs(assignment.guard.epochs)
        pending = assignment.pipeline.begin(
            [_ledger_range(r, batch, self._world.code_map.version) for r in batch.ranges]
        )
        outcome = self._process(assignment, batch)
        work = Work(
            outcome, [_ledger_range(r, batch, outcome.map_version) for r in batch.ranges], pending,
            min(r.timestamp_ms for r in records),
        )  # fmt: skip
        assignment.pipeline.submit(work, assignment.guard.polled)
        for r in batch.ranges:
            self._next[r.topic.name, r.partition] = r.last + 1
        self._stop_for_schools(consumer, outcome)
        self._tell(batch, outcome, records, time.perf_counter() - started)
        self._release(consumer)

    def _process(self, assignment: Assignment, batch: Batch) -> Outcome:
        settings = self._settings.worker

        def find_records(wanted: Any) -> Any:
            assignment.pipeline.wait_written(assignment.guard.polled)
            return assignment.writer.records(wanted)

        def find_taken(wanted: Any) -> Any:
            assignment.pipeline.wait_written(assignment.guard.polled)
            return assignment.writer.taken(wanted)

        return process(
            batch, self._schemas, self._world, assignment.memory.assertions, find_records,
            future_bound_ms=settings.future_bound_seconds * 1000, suppress_repeats=settings.suppression,
            meet=assignment.memory.meet, pupil_sessions=assignment.memory.pupil_sessions, find_taken=find_taken,
        )  # fmt: skip

    def _tell(self, batch: Batch, outcome: Outcome, records: list[Record], seconds: float) -> None:
        """Metrics and the rate that decides the linger."""
        marks = sum(r.marks for r in batch.ranges)
        if marks:
            size = sum(len(r.value or b"") for r in records)
            self._bytes_per_mark = min(max(0.8 * self._bytes_per_mark + 0.2 * size / marks, 8.0), 500.0)
        span = max((records[-1].timestamp_ms - records[0].timestamp_ms) / 1000, seconds, 0.1)
        self._marks_per_s = 0.5 * self._marks_per_s + 0.5 * marks / span
        for r in batch.ranges:
            for outcome_name in ("decoded", "undecodable", "no_record"):
                metrics.MESSAGES.labels(outcome=outcome_name).inc(getattr(r, outcome_name))
            for outcome_name in ("accepted", "unchanged", "quarantined"):
                metrics.MARKS.labels(outcome=outcome_name).inc(getattr(r, outcome_name))
        for reason, count in outcome.reasons.items():
            metrics.QUARANTINE_MARKS.labels(reason=reason).inc(count)
        for name, count in outcome.exceptions.items():
            metrics.EXCEPTIONS.labels(exception=name).inc(count)
        for outcome_name, count in outcome.replayed.items():
            metrics.REPLAYED_ENTRIES.labels(outcome=outcome_name).inc(count)
        for kind, count in outcome.unmapped.items():
            metrics.UNMAPPED_CODES.labels(source_kind=kind).inc(count)

    def _commit(self, consumer: Consumer) -> None:
        """Step 6: a hint for Kafka's own tools; the ledger is the truth."""
        if self._assignment is None:
            return
        latest: dict[tuple[str, int], int] = {}
        for topic, partition, offset in self._assignment.pipeline.committable():
            latest[topic, partition] = max(offset, latest.get((topic, partition), 0))
        if not latest:
            self._release(consumer)
            return
        self._fail.reach("commit.before")
        try:
            consumer.commit(offsets=[TopicPartition(t, p, o) for (t, p), o in latest.items()], asynchronous=True)
        except KafkaException as e:
            _log.warning("commit_failed", error=str(e.args[0]))
        self._fail.reach("commit.after")
        self._tell_lag(consumer, latest)

    def _tell_lag(self, consumer: Consumer, latest: dict[tuple[str, int], int]) -> None:
        for (topic, partition), offset in latest.items():
            _, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            metrics.CONSUMER_LAG_RECORDS.labels(topic=topic, partition=str(partition)).set(max(0, high - offset))

    def _look_at_reference(self, client: Client) -> None:
        """Take in what changed in the reference tables, at most once a second."""
        if time.monotonic() - self._looked_at_reference < _REFERENCE_EVERY_S:
            return
        self._refresh(client)
        self._look_at_schemas()
        self._looked_at_reference = time.monotonic()
        if self._assignment is not None and time.monotonic() - self._counted_pending > _PENDING_EVERY_S:
            ledger = self._assignment.ledger
            metrics.LEDGER_PENDING.set(
                patiently(ledger.pending, what="counting the ledger", still_wanted=lambda: not self._stop.is_set())
            )
            self._counted_pending = time.monotonic()

    def _refresh(self, client: Client) -> None:
        """Take in what changed in the reference tables."""
        kinds = patiently(
            lambda: self._world.refresh(client),
            what="reading reference data",
            still_wanted=lambda: not self._stop.is_set(),
        )
        if kinds:
            metrics.REFERENCE_RELOADS.inc()
            if kinds - {"code-map"}:
                self._let_schools_go_on(list(self._brake.waiting))
            _log.info("reference_reloaded", kinds=sorted(kinds), pupils=len(self._world.crosswalk))

    # ---- rebalances; called inside consume()

    def _assigned(self, client: Client, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            if not partitions:
                return
            self._world.refresh(client)
            self._assignment = Assignment(
                self._settings, consumer, partitions, self._topics, self._schemas, self._world, self._fail,
                skip_lost=self._skip_lost,
            )  # fmt: skip
            self._next = dict(self._assignment.start)
            self._held.clear()
            self._brake.forget()
            consumer.assign(
                [TopicPartition(p.topic, p.partition, self._next[p.topic, p.partition]) for p in partitions]
            )
            _log.info("partitions_assigned", count=len(partitions))
        except BaseException as e:  # noqa: BLE001 - librdkafka's callback must return; the polling loop raises it
            self._trouble = e

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        _log.info("partitions_revoked", count=len(partitions))
        try:
            self._let_go(consumer, patience_s=min(self._settings.worker.session_timeout_ms / 1000, 10.0))
        except BaseException as e:  # noqa: BLE001 - as above
            self._trouble = e

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        _log.warning("partitions_lost", count=len(partitions))
        if self._assignment is not None:
            self._assignment.guard.revoke()
            self._assignment.close()
            self._assignment = None
        self._next.clear()

    def _let_go(self, consumer: Consumer, patience_s: float) -> None:
        """Finish what is in flight within ``patience_s`` or leave it PENDING, commit, forget."""
        if self._assignment is None:
            return
        self._assignment.pipeline.wait_idle(patience_s, self._assignment.guard.polled)
        self._commit(consumer)
        self._assignment.guard.revoke()
        self._assignment.close()
        self._assignment = None
        self._next.clear()


def _ledger_range(r: TopicRange, batch: Batch, map_version: int) -> LedgerRange:
    return LedgerRange(
        r.topic.name, r.topic.uuid, r.partition, r.first, r.last, r.epoch, batch.id, batch.ingested_ms, r.digest,
        map_version,
        r.decoded, r.undecodable, r.no_record, r.marks, r.accepted, r.unchanged, r.quarantined,
    )  # fmt: skip

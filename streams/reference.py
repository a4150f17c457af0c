"""The loader of reference data: reads the reference topics and keeps their versions in ClickHouse, for everybody else.

One process, one walk for a batch: consume, decode, write the tables, then the position. The position in ClickHouse is
the truth, Kafka's committed offset a hint for its tools: a loader that dies anywhere begins again at the position,
and writes the same rows once more.

Nothing is skipped. A message that cannot be read, or is not about its key, goes to quarantine with its bytes, alone.
A registry or a ClickHouse that is away stops the reading until it is back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import confluent_kafka
import structlog
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from rollcall.domain.clock import now
from rollcall.domain.source_rules import KEY
from rollcall.errors import ClickHouseError, KafkaError
from rollcall.failpoints import FailPoints
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas import topics
from schemas.registry import Registry, RegistryAway
from sinks import reference, source_rules
from sinks.clickhouse import first_line, is_passing, patiently
from sinks.derive import (
    derive_lives,
    derive_scattered,
    rederive,
    rederive_aliases,
    rederive_lessons,
    rederive_rules,
)
from sinks.publications import DERIVED
from streams.healing import Healing
from streams.reference_messages import KINDS, Arrived, ReferenceReader

__all__ = ["GROUP", "Loader", "Summary"]

log = structlog.get_logger()

GROUP = "rollcall-reference"

#: A batch is closed at so many bytes: about 40,000 pupils of rosters, a hundred megabytes once decoded.
_BATCH_BYTES = 4 * 1024 * 1024
#: ... or so many messages: schools and calendars are small, and a batch costs a tenth of a second whatever it holds.
_BATCH_MESSAGES = 1_000
#: Messages taken from librdkafka at once: 50 of the largest rosters are 30 MB.
_AT_ONCE = 50
#: Seconds after a code map or rules were published at which current marks are derived again: at once, and when every
#: derive that began with what was in force before must be over.
_REDERIVE_AFTER_S = (0.0, 20.0)
#: The same of schools, and once more: a batch that was judged by older days may have waited for ClickHouse.
_LIVES_AFTER_S = (0.0, 20.0, 300.0)
#: Seconds between looks for schools whose messages stand in several partitions.
_SCATTERED_EVERY_S = 60.0
#: Seconds between sweeps of the quarantine: after something was applied, and when nothing was. A sweep that took long
#: waits ten times as long.
_SWEEP_AFTER_S, _SWEEP_EVERY_S, _SWEEP_SHARE = 2.0, 60.0, 10.0
#: How long to wait between two tries of something that is away, in seconds.
_PATIENCE = 0.5
#: How long a new topic may be without a leader, in seconds.
_LEADER_WITHIN_S = 30.0
_NO_LEADER_YET = frozenset(
    {confluent_kafka.KafkaError.NOT_LEADER_FOR_PARTITION, confluent_kafka.KafkaError.LEADER_NOT_AVAILABLE}
)
#: Before every instant of a rule: to look at once.
_EARLIEST = datetime.min.replace(tzinfo=UTC)
Result = TypeVar("Result")


@dataclass(slots=True)
class Summary:
    """What a run did. `messages` = `applied` + `repeated` + `refused` + `removed` (key without value)."""

    messages: int = 0
    applied: int = 0
    repeated: int = 0
    refused: int = 0
    removed: int = 0


class _StartAgain(Exception):  # noqa: N818
    """What is in hand is not ours any more, or will not be written: read again from the position in ClickHouse."""


@dataclass(slots=True)
class _Batch:
    """What was consumed since the last write: decoded messages, refused ones, and how far that is."""

    applied: list[reference.Applied] = field(default_factory=list)
    refused: list[reference.Refused] = field(default_factory=list)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    removed: int = 0


class Loader:
    """Applies the reference topics to one ClickHouse database.

    `client` is connected to that database and used from the calling thread only.
    """

    def __init__(
        self, settings: Settings, client: Client, *, group: str = GROUP, fail: FailPoints | None = None
    ) -> None:
        self._settings = settings
        self._client = client
        self._registry = Registry(settings.registry.url)
        self._reader = ReferenceReader(self._registry)
        self._topic_ids: dict[str, str] = {}
        self._at_end: dict[tuple[str, int], bool] = {}
        self._lost = False
        #: When to derive again after a publication, and of what: (kind, key). At the start, of all that ever was.
        self._rederive_at: list[float] = [0.0]
        self._published: set[tuple[str, str]] = {(kind, "") for kind in DERIVED}
        #: The next instant at which a rule between sources comes in force, or is no more (rule 10).
        self._turn_at: datetime | None = _EARLIEST
        #: The same of schools, whose first and last days decide whether a mark stands (rule 12).
        self._lives_at: list[float] = [0.0]
        self._schools: set[int] | None = None  # all of them
        self._scattered_at = time.monotonic() + _SCATTERED_EVERY_S
        self._healing = Healing(settings, client, fail)
        #: When to sweep next, and not before when: something applied brings it nearer.
        self._sweep_at = self._sweep_from = 0.0
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                **settings.kafka.client_config(),
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 5,
                "partition.assignment.strategy": "range",
                "session.timeout.ms": 6_000,  # a loader that was killed keeps its partitions so long
                "max.poll.interval.ms": 600_000,
                "fetch.message.max.bytes": topics.MAX_MESSAGE_BYTES,
            },
            logger=quiet_librdkafka(),
        )

    def run(self, stop: threading.Event | None = None, *, once: bool = False) -> Summary:
        """Apply what is on the topics, and what comes, until `stop` is set; with `once`, what is there at the start.

        Raises KafkaError when the topics are missing, ClickHouseError when ClickHouse refuses something for good.
        A part that is merely away is waited for.
        """
        self._stop = stop or threading.Event()
        summary = Summary()
        try:
            self._identify_topics()
            wanted = self._ends() if once else {}
            self._consumer.subscribe(
                list(KINDS), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
            log.info("reference_loader_started", topics=len(KINDS), once=once)
            while not self._stop.is_set():
                try:
                    self._step(summary)
                    self._turn_rules()
                    self._rederive_when_due()
                    self._derive_lives_when_due()
                    self._gather_scattered()
                    self._heal_when_due()
                except _StartAgain:
                    self._assigned(self._consumer, self._consumer.assignment())
                if once and self._reached(wanted):
                    self._heal()
                    break
        finally:
            self._healing.close()
            self._consumer.close()
            self._registry.close()
        log.info("reference_loader_stopped", messages=summary.messages, applied=summary.applied)
        return summary

    def not_ready(self) -> dict[str, str]:
        """What keeps the loader from being ready, empty when it is: all partitions read to their ends (/readyz)."""
        behind = sum(not at_end for at_end in dict(self._at_end).values())
        if not self._at_end:
            return {"partitions": "none assigned yet"}
        return {"reference": f"{behind} partitions are not read to their ends"} if behind else {}

    def _step(self, summary: Summary) -> None:
        """What there is now, a batch or several: consume, decode, write, remember."""
        self._lost = False
        batch, size, count = _Batch(), 0, 0
        while count < _BATCH_MESSAGES and not self._lost:
            messages = self._consumer.consume(num_messages=_AT_ONCE, timeout=0.2)
            for message in messages:
                if message.error() is None:
                    size += len(message.value() or b"")
                self._take(message, batch)
                if size >= _BATCH_BYTES:
                    self._write(batch, summary)
                    batch, size, count = _Batch(), 0, 0
            count += len(messages)
            if len(messages) < _AT_ONCE:
                break
        self._write(batch, summary)

    def _take(self, message: Message, batch: _Batch) -> None:
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is not None:
            if error.code() == confluent_kafka.KafkaError._PARTITION_EOF:
                batch.positions[self._topic_ids[topic], partition] = offset
                self._at_end[topic, partition] = True
            elif not error.retriable() and error.code() != confluent_kafka.KafkaError._ALL_BROKERS_DOWN:
                raise KafkaError(f"reading {topic or 'the reference topics'}: {error.str()}")
            return
        self._at_end[topic, partition] = False
        batch.positions[self._topic_ids[topic], partition] = offset + 1
        if message.value() is None:
            # A compacted topic's way to drop a key. What was known about the past stays known.
            batch.removed += 1
            log.warning("reference_key_removed", topic=topic, partition=partition, offset=offset)
            return
        arrived = Arrived.of(message, self._topic_ids)
        read = self._patiently(lambda: self._reader.read(arrived))
        if isinstance(read, reference.Applied):
            batch.applied.append(read)
        else:
            batch.refused.append(read)
            log.warning("reference_refused", topic=topic, partition=partition, offset=offset, reason=read.reason)

    def _write(self, batch: _Batch, summary: Summary) -> None:
        if not batch.positions:
            return
        outcome = self._patiently(lambda: self._write_once(batch))
        summary.applied += outcome.applied
        summary.repeated += outcome.repeated
        summary.refused += len(batch.refused)
        summary.removed += batch.removed
        done = len(batch.applied) + len(batch.refused) + batch.removed
        summary.messages += done
        if done:
            if outcome.applied and (numbered := {(m.kind, m.key) for m in batch.applied if m.kind in DERIVED}):
                self._rederive_soon(numbered)
            if outcome.applied and (urns := {int(m.key) for m in batch.applied if m.kind == "school"}):
                if self._schools is not None:
                    self._schools |= urns
                self._lives_at = [time.monotonic() + after for after in _LIVES_AFTER_S]
            if outcome.applied:
                self._sweep_at = min(self._sweep_at, time.monotonic() + _SWEEP_AFTER_S)
            log.info("reference_applied", messages=done, versions=outcome.applied, repeated=outcome.repeated)
            self._hint(batch)

    def _rederive_soon(self, published: Iterable[tuple[str, str]]) -> None:
        """Current state must follow what is in force: derive again what (kind, key) have changed."""
        self._published |= set(published)
        self._rederive_at = [time.monotonic() + after for after in _REDERIVE_AFTER_S]
        if any(kind == "source-rule" for kind, _ in self._published):
            self._turn_at = _EARLIEST

    def _turn_rules(self) -> None:
        """When the instant of a rule has come, in force or no more: that is a publication too (rule 10)."""
        if self._turn_at is None or now() < self._turn_at:
            return
        if self._patiently(lambda: source_rules.turn(self._client, now())):
            log.info("source_rules_turned")
            self._rederive_soon([("source-rule", KEY)])
        self._turn_at = self._patiently(lambda: source_rules.next_turn(self._client))

    def _rederive_when_due(self) -> None:
        """Derive what a code map gave another meaning, what rules choose otherwise, and whom an alias concerns."""
        at = time.monotonic()
        if not self._rederive_at or at < self._rederive_at[0]:
            return
        days = 0
        if schemes := sorted(key for kind, key in self._published if kind == "code-map"):
            days += self._patiently(lambda: rederive(self._client, [] if "" in schemes else schemes))
        if any(kind == "source-rule" for kind, _ in self._published):
            days += self._patiently(lambda: rederive_rules(self._client))
        if any(kind == "pupil-alias" for kind, _ in self._published):
            days += self._patiently(lambda: rederive_aliases(self._client))
        if any(kind == "lesson-rule" for kind, _ in self._published):
            days += self._patiently(lambda: rederive_lessons(self._client))
        self._rederive_at = [due for due in self._rederive_at if due > at]
        if not self._rederive_at:
            self._published.clear()
        if days:
            log.info("rederived", session_dates=days)

    def _derive_lives_when_due(self) -> None:
        """Derive what a school's first or last day, told anew, brings in or leaves out."""
        now = time.monotonic()
        if not self._lives_at or now < self._lives_at[0]:
            return
        urns = sorted(self._schools or ())
        days = self._patiently(lambda: derive_lives(self._client, urns))
        self._lives_at = [at for at in self._lives_at if at > now]
        if not self._lives_at:
            self._schools = set()
        if days:
            log.info("rederived_lives", session_dates=days)

    def _gather_scattered(self) -> None:
        """Once in a while: current marks of schools whose messages no single worker sees."""
        if time.monotonic() < self._scattered_at:
            return
        if keys := self._patiently(lambda: derive_scattered(self._client)):
            log.warning(
                "scattered_schools", derived=keys,
                hint="a school's messages stand in several partitions: senders need partitioner=murmur2_random",
            )  # fmt: skip
        self._scattered_at = time.monotonic() + _SCATTERED_EVERY_S

    def _heal_when_due(self) -> None:
        """Send again what reference data may have healed: soon after some was applied, and once in a while."""
        if time.monotonic() >= max(self._sweep_at, self._sweep_from):
            self._heal()

    def _heal(self) -> None:
        started = time.monotonic()
        try:
            self._patiently(self._healing.sweep)
        except KafkaError as error:
            log.warning("healing_waits", reason=str(error))
        now = time.monotonic()
        self._sweep_at = now + _SWEEP_EVERY_S
        self._sweep_from = now + _SWEEP_SHARE * (now - started)

    def _write_once(self, batch: _Batch) -> reference.Outcome:
        reference.refuse(self._client, batch.refused)
        return reference.apply(self._client, batch.applied, batch.positions)

    def _hint(self, batch: _Batch) -> None:
        """Commit to Kafka what ClickHouse knows already, for tools that show lag."""
        names = {topic_id: topic for topic, topic_id in self._topic_ids.items()}
        offsets = [
            TopicPartition(names[topic_id], partition, offset)
            for (topic_id, partition), offset in batch.positions.items()
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except confluent_kafka.KafkaException as error:
            log.info("reference_hint_failed", reason=error.args[0].name())

    def _patiently(self, action: Callable[[], Result]) -> Result:
        """Do it; while the registry or ClickHouse is away, stop reading, stay in the group, and try again.

        Raises ClickHouseError when ClickHouse refuses for good, _StartAgain when the partitions are taken from us, or
        we are told to stop, meanwhile.
        """
        waiting = False
        while True:
            try:
                result = action()
            except (DatabaseError, OperationalError, urllib3.exceptions.HTTPError, OSError) as error:
                if not is_passing(error):
                    raise ClickHouseError(f"reference data: {first_line(error)}") from error
                if not waiting:
                    log.warning("reference_waits", needs=_who(error))
                    self._consumer.pause(self._consumer.assignment())
                    waiting = True
                # Nothing is read while paused: polling keeps our place in the group and hears of a rebalance.
                self._consumer.poll(_PATIENCE)
                if self._lost or self._stop.is_set():
                    raise _StartAgain from None
                continue
            if waiting:
                self._consumer.resume(self._consumer.assignment())
                log.info("reference_goes_on")
            return result

    def _assigned(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Begin each partition where ClickHouse says, not where Kafka remembers."""
        self._identify_topics()
        positions = self._positions()
        for partition in partitions:
            place = (self._topic_ids[partition.topic], partition.partition)
            partition.offset = positions.get(place, confluent_kafka.OFFSET_BEGINNING)
            self._at_end[partition.topic, partition.partition] = False
        consumer.assign(list(partitions))

    def _positions(self) -> dict[tuple[str, int], int]:
        """The applied positions, as soon as ClickHouse says them; none when we are told to stop before it does. What a
        loader of an earlier version left unmade is made before."""

        def read() -> dict[tuple[str, int], int]:
            reference.make_missing(self._client)
            return reference.applied_positions(self._client)

        try:
            return patiently(
                read,
                what="reading the position of the reference topics",
                still_wanted=lambda: not self._stop.is_set(),
            )
        except ClickHouseError:
            if self._stop.is_set():
                return {}
            raise

    def _revoked(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._lost = True
        for partition in partitions:
            self._at_end.pop((partition.topic, partition.partition), None)

    def _identify_topics(self) -> None:
        """Learn the topics' UUIDs: a topic made anew starts at offset 0 again."""
        admin = AdminClient(self._settings.kafka.client_config(), logger=quiet_librdkafka())
        asked = admin.describe_topics(confluent_kafka.TopicCollection(list(KINDS)), request_timeout=30)
        for topic, answer in asked.items():
            try:
                self._topic_ids[topic] = str(answer.result().topic_id)
            except confluent_kafka.KafkaException as error:
                if error.args[0].code() == confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise KafkaError(f"the topic {topic} does not exist: run `rollcall topics apply`") from None
                raise KafkaError(f"Kafka says nothing about the topic {topic}: {error.args[0].str()}") from None

    def _ends(self) -> dict[tuple[str, int], int]:
        """(topic id, partition) -> the offset behind the last message, for every partition that holds any."""
        ends: dict[tuple[str, int], int] = {}
        for topic, partition in self._partitions():
            if high := self._end(topic, partition):
                ends[self._topic_ids[topic], partition] = high
        return ends

    def _end(self, topic: str, partition: int) -> int:
        """The offset behind the last message. A topic that was made a moment ago may not have its leader yet."""
        deadline = time.monotonic() + _LEADER_WITHIN_S
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)[1])
            except KafkaException as error:
                if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                    raise KafkaError(f"reading {topic}: {error.args[0].str()}") from None
                time.sleep(_PATIENCE)

    def _partitions(self) -> Iterator[tuple[str, int]]:
        for topic in KINDS:
            metadata = self._consumer.list_topics(topic, timeout=30)
            for partition in metadata.topics[topic].partitions:
                yield topic, partition

    def _reached(self, wanted: dict[tuple[str, int], int]) -> bool:
        """Whether everything up to `wanted` is applied, by whomever. Asked only when we are at our ends."""
        if not self._at_end or not all(self._at_end.values()):
            return False
        positions = self._positions()
        return all(positions.get(place, 0) >= offset for place, offset in wanted.items())


def _who(error: Exception) -> str:
    return "registry" if isinstance(error, RegistryAway) else "clickhouse"

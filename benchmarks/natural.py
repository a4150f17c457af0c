"""The natural pipeline to compare with: what one would write first, and what most such pipelines are.

poll() a message, fastavro with a parsed schema, dicts for roster and code map, rows as tuples, clickhouse-connect's
insert of 100,000 rows, into the same tables with the same views, then the same derive (a set tells it which mark is the
first of its pupil and session). It keeps no ledger, no receipts and no quarantine, and its roster holds only the
schools it will meet: all of that in its favour. It is checked against the same answer key.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import fastavro
import numpy as np
import numpy.typing as npt
import xxhash
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition

import schemas
from benchmarks.nation import PUPILS, Nation, ref_strings
from rollcall.settings import KafkaSettings
from schemas import wire
from sinks.derive import derive

__all__ = ["Natural", "partitions_for"]

#: Rows of one insert.
_ROWS = 100_000
_COLUMNS = (
    "session_date",
    "urn",
    "session",
    "period",
    "pupil_id",
    "pupil_ref",
    "pupil_scheme",
    "source",
    "source_kind",
    "record_id",
    "group_id",
    "code_scheme",
    "raw_code",
    "canonical_code",
    "map_version",
    "minutes_late",
    "alone",
    "asserted_at",
    "version",
    "ingested_at",
    "exceptions",
    "year_group",
    "in_scope",
    "content",
    "event_id",
    "topic",
    "topic_id",
    "partition",
    "offset",
    "item",
    "schema_id",
    "batch",
)


def partitions_for(marks: int, of: int, partitions: int) -> list[int]:
    """The first partitions that hold about ``marks`` of ``of`` marks spread over all ``partitions``."""
    return list(range(min(partitions, max(1, -(-marks * partitions // of)))))


@dataclass(slots=True)
class Natural:
    """Runs over whole partitions of one topic, from the beginning to the end."""

    kafka: KafkaSettings
    client: Client
    nation: Nation
    topic: str
    partitions: list[int]
    schools: npt.NDArray[np.int64] = field(init=False)
    _messages: int = field(init=False)
    _people: dict[Any, Any] = field(init=False)

    def prepare(self) -> None:
        """Look at what the partitions hold and load the roster of those schools: before any clock starts."""
        self._messages, self.schools = self._look()
        self._people = self._roster(self.schools)

    def run(self) -> tuple[int, float]:
        """(marks, seconds from the first message to the last derived row), after `prepare`."""
        messages, roster = self._messages, self._people
        codes = {
            row[0]: row[1] for row in self.client.query("SELECT raw_code, canonical_code FROM code_map").result_rows
        }
        schema = schemas.parsed(self.topic)
        consumer = self._consumer()
        known: dict[Any, tuple[int, Any]] = {}
        said: set[Any] = set()
        rows: list[tuple[Any, ...]] = []
        marks, batch, started = 0, 1, 0.0
        try:
            while messages:
                message = consumer.poll(1.0)
                if message is None or message.error():
                    continue
                started = started or time.perf_counter()
                messages -= 1
                value = message.value() or b""
                record: Any = fastavro.schemaless_reader(io.BytesIO(value[wire.HEADER :]), schema, None)
                marks += len(record["marks"])
                self._take(record, message, wire.schema_id(value), roster, codes, known, said, rows, batch)
                if len(rows) >= _ROWS:
                    self._write(rows, batch)
                    rows, batch = [], batch + 1
            if rows:
                self._write(rows, batch)
            return marks, time.perf_counter() - started
        finally:
            consumer.close()

    def _take(
        self,
        record: Any,
        message: Any,
        schema_id: int,
        roster: dict[Any, Any],
        codes: dict[str, str],
        known: dict[Any, tuple[int, Any]],
        said: set[Any],
        rows: list[tuple[Any, ...]],
        batch: int,
    ) -> None:
        mis = "pull_id" in record
        now = datetime.now(UTC)
        urn, source, scheme = record["urn"], record["source"], record["code_scheme"]
        for item, mark in enumerate(record["marks"]):
            pupil = roster.get((urn, mark["pupil_ref"]))
            code = codes.get(mark["code"])
            if pupil is None or code is None:
                continue
            pupil_id, year_group, first_day, last_day = pupil
            day = mark["session_date"] if mis else record["session_date"]
            session = mark["session"] if mis else record["session"]
            at = mark["modified_at"] if mis else record["submitted_at"]
            late = -1 if mark["minutes_late"] is None else mark["minutes_late"]
            record_id = mark["record_id"] if mis else ""
            version = int(at.timestamp() * 1000) << 20 | message.offset() & 0xFFFFF
            content = (scheme, mark["code"], late)
            key = (urn, pupil_id, day, session, source, record_id)
            before = known.get(key)
            if before is not None and before[1] == content and version >= before[0]:
                continue
            known[key] = (version, content)
            alone = key[:4] not in said
            said.add(key[:4])
            rows.append(
                (
                    day,
                    urn,
                    session,
                    "",
                    pupil_id,
                    mark["pupil_ref"],
                    mark["pupil_scheme"],
                    source,
                    "mis" if mis else "register",
                    record_id,
                    "" if mis else record["group_id"],
                    scheme,
                    mark["code"],
                    code,
                    1,
                    late,
                    alone,
                    at,
                    version,
                    now,
                    0 if first_day <= day <= last_day else 1,
                    year_group,
                    True,
                    xxhash.xxh3_64_intdigest(repr(content).encode()),
                    xxhash.xxh3_64_intdigest(b"%d|%d|%d" % (message.partition(), message.offset(), item)),
                    self.topic,
                    "benchmark",
                    message.partition(),
                    message.offset(),
                    item,
                    schema_id,
                    batch,
                )
            )

    def _write(self, rows: list[tuple[Any, ...]], batch: int) -> None:
        self.client.insert("mark_event", rows, column_names=_COLUMNS, settings={"async_insert": 0})
        derive(self.client, [batch])

    def _consumer(self) -> Consumer:
        consumer = Consumer(
            {
                **self.kafka.client_config(),
                "group.id": "natural",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 5,
            }
        )
        places = [TopicPartition(self.topic, p) for p in self.partitions]
        starts = [consumer.get_watermark_offsets(p, timeout=30) for p in places]
        consumer.assign(
            [TopicPartition(self.topic, p, low) for p, (low, _) in zip(self.partitions, starts, strict=True)]
        )
        return consumer

    def _look(self) -> tuple[int, npt.NDArray[np.int64]]:
        """How many messages the partitions hold, and of which schools: before the clock starts."""
        consumer = self._consumer()
        try:
            places = [TopicPartition(self.topic, p) for p in self.partitions]
            bounds = [consumer.get_watermark_offsets(p, timeout=30) for p in places]
            left = total = sum(high - low for low, high in bounds)
            urns: set[int] = set()
            while left > 0:
                messages = consumer.consume(10_000, 1.0)
                left -= len(messages)
                urns.update(int(m.key() or b"") for m in messages)
            return total, np.array(sorted(urns), np.int64) - 100_000
        finally:
            consumer.close()

    def _roster(self, schools: npt.NDArray[np.int64]) -> dict[Any, Any]:
        terms = self.client.query("SELECT min(first_day), max(last_day) FROM enrolment").result_rows[0]
        roster: dict[Any, Any] = {}
        for school in schools.tolist():
            pupils = np.arange(school * PUPILS, (school + 1) * PUPILS)
            refs = ref_strings(school * PUPILS, PUPILS, self.nation.ref_width).to_pylist()
            ids, years = self.nation.pupil_ids(pupils).tolist(), self.nation.year_groups(pupils).tolist()
            for ref, pupil_id, year in zip(refs, ids, years, strict=True):
                roster[100_000 + school, ref] = (pupil_id, str(year), *terms)
        return roster

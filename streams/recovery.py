"""Recovery: finish a range that some worker began. One path, whenever and by whomever.

It asks the tables, and only the tables, what stands: no dedup window, no token, no memory of the process that died, and
not that roster or code map are what they were. Marks that stand in the history or in quarantine keep their outcome;
only the rest is computed and inserted; what the views may have missed is written again; derive; DONE, with counts read
from the tables.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import structlog

from rollcall import metrics
from rollcall.errors import LedgerError
from rollcall.failpoints import FailPoints
from sinks.derive import derive
from sinks.ledger import Ledger, LedgerRange, position
from sinks.writer import Writer
from streams.batch import Batch, Topic, digest
from streams.decode import SchemaCache, decode
from streams.memory import Memory
from streams.process import Outcome, Standing, process
from streams.reader import RangeReader
from streams.world import World

__all__ = ["Recovery"]

_log = structlog.get_logger()
_EPOCH = date(1970, 1, 1)


class Recovery:
    """Recovers ranges of one assignment."""

    def __init__(
        self, ledger: Ledger, writer: Writer, reader: RangeReader, schemas: SchemaCache, world: World, memory: Memory,
        fail: FailPoints, future_bound_ms: int, suppress_repeats: bool,
    ) -> None:  # fmt: skip
        self._ledger, self._writer, self._reader = ledger, writer, reader
        self._schemas, self._world, self._memory, self._fail = schemas, world, memory, fail
        self._bound, self._suppress = future_bound_ms, suppress_repeats

    def settle(self, topic: Topic, pending: list[LedgerRange], done: list[LedgerRange]) -> list[LedgerRange]:
        """Bring every PENDING range of a partition to its end, in order; returns the ranges that are now DONE.

        A PENDING range that DONE ranges cover was begun by a worker that had been replaced: it is marked SUPERSEDED.
        """
        settled = list(done)
        for r in sorted(pending, key=lambda r: (r.first, -r.epoch)):
            if position([d for d in settled if d.last >= r.first], r.first) > r.last:
                self._ledger.write("SUPERSEDED", [r], f"{r.batch}:{r.partition}:{r.first}:{r.epoch}:SUPERSEDED")
                continue
            settled.append(self.recover(topic, r))
        return settled

    def recover(self, topic: Topic, r: LedgerRange) -> LedgerRange:
        """Recover one range. Raises LedgerError when its bytes are not those taken, RegistryAway, KafkaError."""
        self._fail.reach("recovery.started")
        records = self._reader.read(topic, r.partition, r.first, r.last)
        if (found := digest(records)) != r.digest:
            raise LedgerError(
                f"{topic.name} partition {r.partition} offsets {r.first} to {r.last}: the bytes are not those"
                f" taken before (digest {found:x}, ledger {r.digest:x}); restore the topic or settle the range by hand"
            )
        batch = Batch.cut(records, {(topic.name, r.partition): r.first}, r.ingested_ms)
        for span in batch.ranges:
            span.epoch, span.last = r.epoch, r.last
            span.no_record = r.last - r.first + 1 - len(records)
        days, urns, standing = self._standing(batch, r)
        self._memory.meet(days)
        outcome = process(
            batch, self._schemas, self._world, self._memory.assertions, self._writer.records,
            future_bound_ms=self._bound, suppress_repeats=self._suppress, standing=standing,
            pupil_sessions=self._memory.pupil_sessions, find_taken=self._writer.taken,
        )  # fmt: skip
        return self._finish(r, outcome, days, urns)

    def _standing(self, batch: Batch, r: LedgerRange) -> tuple[list[int], list[int], Standing]:
        """(days, URNs, what stands) of the range; days and URNs are those its bytes name: an exact, narrow search."""
        decoded = decode(batch, self._schemas, self._bound)
        days = sorted(set(decoded.marks["day"].unique().to_list()))
        urns = sorted(set(decoded.messages["urn"].unique().to_list()))
        if len(decoded.deletions):
            wanted = decoded.deletions.join(
                decoded.messages.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("message"), "urn", "source"),
                on="message",
            )
            days = sorted(
                {*days, *self._writer.records(wanted.select("urn", "source", "record_id").unique())["day"].to_list()}
            )
        marks, quarantined = self._writer.standing(_where(r), _iso(days), urns)
        record_of = pl.DataFrame(
            {"offset": [x.offset for x in batch.records], "record": range(len(batch.records))},
            schema={"offset": pl.UInt64, "record": pl.UInt32},
        )
        stands = marks.join(record_of, on="offset", how="inner").drop("offset")
        refused = quarantined.join(record_of, on="offset", how="inner").select(
            "record", pl.col("item").cast(pl.Int64), "reason"
        )
        in_history = stands.select("record", pl.col("item").cast(pl.Int64))
        refused = refused.join(in_history, on=["record", "item"], how="anti")
        return days, urns, Standing(stands, refused)

    def _finish(self, r: LedgerRange, outcome: Outcome, days: list[int], urns: list[int]) -> LedgerRange:
        # Of this attempt only: another attempt's block may hold other rows, and a known token would drop them.
        token = f"{r.batch}:{r.partition}:{r.first}:recovery:{uuid.uuid4().hex}"
        for table in (
            "mark_event", "mark_reassertion", "quarantine_message", "quarantine", "quarantine_trail",
            "register_receipt",
        ):  # fmt: skip
            rows = getattr(outcome, table)
            if rows.num_rows:
                self._writer.insert(table, rows, token)
        self._fail.reach("recovery.written")
        self._writer.rebuild(_where(r), _iso(days), urns, outcome.batch.id)
        self._fail.reach("recovery.rebuilt")
        derive(self._writer.client, [outcome.batch.id])
        counts = self._writer.counts(_where(r), _iso(days), urns)
        no_record = r.last - r.first + 1 - len(outcome.batch.records)
        done = replace(
            r, decoded=counts["decoded"], undecodable=counts["undecodable"], no_record=no_record, marks=counts["marks"],
            accepted=counts["accepted"], quarantined=counts["quarantined"],
            unchanged=counts["marks"] - counts["accepted"] - counts["quarantined"], map_version=outcome.map_version,
        )  # fmt: skip
        self._ledger.write("DONE", [done], f"{token}:DONE")
        metrics.RECOVERED_RANGES.inc()
        _log.info(
            "range_recovered", topic=r.topic, partition=r.partition, first=r.first, last=r.last, epoch=r.epoch,
            written=outcome.mark_event.num_rows,
        )  # fmt: skip
        return done


def _where(r: LedgerRange) -> dict[str, object]:
    return {"topic_id": r.topic_id, "partition": r.partition, "first": r.first, "last": r.last}


def _iso(days: list[int]) -> list[str]:
    return [(_EPOCH + timedelta(days=d)).isoformat() for d in days if 0 <= d <= 65_535]

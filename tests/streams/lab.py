"""The worker's walk without Kafka and ClickHouse: batches through `process`, what it would write kept as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from streams import kernels
from streams.batch import Batch, Record, Topic
from streams.decode import SchemaCache
from streams.memory import Memory
from streams.process import Outcome, process
from streams.steps import RECORD_PLACES
from streams.world import World
from tests.streams.messages import PAGE, REGISTER, encode, topic_of
from tests.streams.model import DELETED, Key, Verdict
from tests.streams.town import PUPILS, StubReader, StubRegistry, pupil_id

TOPICS = {REGISTER: Topic(REGISTER, "uuid-of-registers", "register"), PAGE: Topic(PAGE, "uuid-of-pages", "mis")}
#: When every message arrives unless said otherwise: the afternoon of DAY.
ARRIVED = datetime(2025, 9, 10, 15, tzinfo=UTC)
_EPOCH = date(1970, 1, 1)
_REFS = {pupil_id(ref, urn): ref for urn in (700_001, 700_002) for ref in PUPILS}
_SCHEMAS = SchemaCache(StubRegistry())


class TablesInMemory:
    """Stands in for sinks.writer.Writer: the queries of the memory, over the rows the lab keeps."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.receipts: list[dict[str, Any]] = []
        self.reassertions: list[dict[str, Any]] = []
        self.quarantine: list[dict[str, Any]] = []

    def keep(self, outcome: Outcome) -> None:
        self.events += outcome.mark_event.to_pylist()
        self.receipts += outcome.register_receipt.to_pylist()
        self.reassertions += outcome.mark_reassertion.to_pylist()
        self.quarantine += outcome.quarantine.to_pylist()

    def assertions(self, topic_id: str, partitions: list[int], below: list[int], days: list[str]) -> list[pa.Table]:
        rows = [
            {
                "urn": e["urn"], "day": (e["session_date"] - _EPOCH).days, "session": 1 + (e["session"] == "PM"),
                "pupil_id": e["pupil_id"], "source": e["source"], "period": e["period"], "record_id": e["record_id"],
                "version": e["version"], "content": e["content"],
            }
            for e in self.events
            if e["topic_id"] == topic_id and not e["superseded"]
        ]  # fmt: skip
        types = {
            "urn": pa.uint32(), "day": pa.int32(), "session": pa.uint8(), "pupil_id": pa.uint64(),
            "source": pa.string(), "period": pa.string(), "record_id": pa.string(),
            "version": pa.uint64(), "content": pa.uint64(),
        }  # fmt: skip
        return [pa.Table.from_pylist(rows, pa.schema(types))]

    def reasserted(self, topic_id: str, partitions: list[int], below: list[int], days: list[str]) -> pa.Table:
        latest: dict[int, int] = {}
        for receipt in self.receipts:
            for key in receipt["unchanged_keys"] if receipt["topic_id"] == topic_id else ():
                latest[key] = max(latest.get(key, 0), receipt["version"])
        return pa.table({"key": pa.array(latest, pa.uint64()), "version": pa.array(latest.values(), pa.uint64())})

    def pupil_sessions(self, days: list[str]) -> npt.NDArray[np.uint64]:
        rows = [e for e in self.events if not e["superseded"] and not e["period"] and e["source_kind"] != "kiosk"]
        return kernels.pupil_session_keys(
            np.array([e["urn"] for e in rows], np.uint32),
            np.array([(e["session_date"] - _EPOCH).days for e in rows], np.int32),
            np.array([1 + (e["session"] == "PM") for e in rows], np.uint8),
            np.array([e["pupil_id"] for e in rows], np.uint64),
        )  # fmt: skip

    def records(self, wanted: pl.DataFrame) -> pl.DataFrame:
        asked = set(wanted.select("urn", "source", "record_id").iter_rows())
        found = [
            {**{name: e[name] for name in RECORD_PLACES if name != "day"}, "day": (e["session_date"] - _EPOCH).days,
             "session": 1 + (e["session"] == "PM")}
            for e in self.events
            if (e["urn"], e["source"], e["record_id"]) in asked
        ]  # fmt: skip
        return pl.DataFrame(found, schema=RECORD_PLACES).unique(maintain_order=True)


class Lab:
    """One partition of each topic, and a worker's memory that `restart` drops."""

    def __init__(self, *, suppress: bool = True) -> None:
        self.tables = TablesInMemory()
        self._suppress = suppress
        self._world = World(StubReader())
        self._world.load(None)
        self._next = dict.fromkeys(TOPICS, 0)
        self.ranges: list[Any] = []
        self.restart()

    def restart(self) -> None:
        """Forget everything that is not in the tables."""
        self.memory = Memory(self.tables, {topic: [0] for topic in TOPICS.values()}, 1024)  # type: ignore[arg-type]

    def take(self, *messages: dict[str, Any], arrived: datetime = ARRIVED) -> list[list[list[Verdict]]]:
        """Process ``messages`` as one batch; for each message, for each item, the verdicts."""
        return self.take_raw([(topic_of(m), str(m["urn"]).encode(), encode(m)) for m in messages], arrived)

    def take_raw(
        self, sent: Sequence[tuple[str, bytes | None, bytes | None]], arrived: datetime = ARRIVED
    ) -> list[list[list[Verdict]]]:
        """The same for (topic, key, value). A message refused whole has one item, its refusal."""
        records, places = [], []
        starts = {(topic, 0): offset for topic, offset in self._next.items()}
        for topic, key, value in sent:
            offset = self._next[topic]
            self._next[topic] += 1
            records.append(Record(TOPICS[topic], 0, offset, key, value, round(arrived.timestamp() * 1000)))
            places.append((topic, offset))
        batch = Batch.cut(records, starts, 1_757_500_000_000 + sum(self._next.values()))
        outcome = process(
            batch, _SCHEMAS, self._world, self.memory.assertions, self.tables.records, future_bound_ms=300_000,
            suppress_repeats=self._suppress, meet=self.memory.meet, pupil_sessions=self.memory.pupil_sessions,
        )  # fmt: skip
        for r in batch.ranges:
            assert r.messages == r.decoded + r.undecodable + r.no_record
            assert r.marks == r.accepted + r.unchanged + r.quarantined
        self.ranges += batch.ranges
        self.tables.keep(outcome)
        return [self._verdicts(outcome, *place) for place in places]

    def _verdicts(self, outcome: Outcome, topic: str, offset: int) -> list[list[Verdict]]:
        def here(rows: pa.Table) -> list[dict[str, Any]]:
            return [row for row in rows.to_pylist() if (row["topic"], row["offset"]) == (topic, offset)]

        receipts = here(outcome.register_receipt)
        refused = {row["item"]: row["reason"] for row in here(outcome.quarantine)}
        if not receipts:
            return [[Verdict(refused[-1])]]
        items: list[list[Verdict]] = [[] for _ in range(receipts[0]["marks"])]
        for row in here(outcome.mark_event):
            items[row["item"]].append(verdict_of(row))
        for item, found in enumerate(items):
            if not found:
                found.append(Verdict(refused.get(item, "unchanged")))
            else:
                assert item not in refused
        counted = [found[0].outcome for found in items]
        assert receipts[0]["unchanged"] == counted.count("unchanged")
        assert receipts[0]["quarantined"] == len([item for item in refused if item >= 0])
        return items

    def accepted(self) -> list[Verdict]:
        """All that is in the history, each as late as it was last said where that decides, for `model.current`."""
        again = {assertion_of(row): row["again"] for row in sorted(self.tables.reassertions, key=lambda r: r["again"])}
        return [
            verdict_of({**row, "version": max(row["version"], again.get(assertion_of(row), 0))})
            for row in self.tables.events
        ]


def assertion_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What mark_reassertion says of which assertion it speaks, of a row of it or of mark_event."""
    return tuple(row[name] for name in ("session_date", "urn", "session", "period", "pupil_id", "version", "content"))


def verdict_of(row: dict[str, Any]) -> Verdict:
    """A row of mark_event as the model says it."""
    key = Key(
        row["urn"], _REFS[row["pupil_id"]], row["session_date"].isoformat(), row["session"], row["period"],
        row["source"], row["record_id"],
    )  # fmt: skip
    minutes = None if row["minutes_late"] == -1 else row["minutes_late"]
    content = DELETED if row["deleted"] else (row["code_scheme"], row["raw_code"], minutes)
    return Verdict("superseded" if row["superseded"] else "accepted", key, row["version"], content)

"""The range ledger: which offsets were taken, by whom, how far, and with what outcome (design: docs/guarantees.md).

One row a contiguous range of one partition, written PENDING before anything else of the range and DONE after derive.
Kafka's committed offset is only a hint: the position of a partition is the first offset that no range of the ledger
covers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.errors import LedgerError
from sinks.statements import load

__all__ = ["Held", "Ledger", "LedgerRange"]


@dataclass(frozen=True, slots=True)
class LedgerRange:
    """A row of the ledger. Offsets are inclusive; ``ingested_ms``: knowledge time, ms since 1970."""

    topic: str
    topic_id: str
    partition: int
    first: int
    last: int
    epoch: int
    batch: int
    ingested_ms: int
    digest: int
    map_version: int
    decoded: int = 0
    undecodable: int = 0
    no_record: int = 0
    marks: int = 0
    accepted: int = 0
    unchanged: int = 0
    quarantined: int = 0


class Held(NamedTuple):
    """What the ledger holds of one partition, by first offset."""

    pending: list[LedgerRange]
    #: DONE, as contiguous spans: each says only its place and knowledge time, its other numbers are 0.
    done: list[LedgerRange]

    @property
    def latest(self) -> int:
        """The largest ``ingested_ms``."""
        return max((r.ingested_ms for r in (*self.pending, *self.done)), default=0)


class Ledger:
    """The ledger of one consumer group."""

    def __init__(self, client: Client, group: str) -> None:
        self._client = client
        self._group = group

    def claim(self, partitions: Sequence[tuple[str, int]], worker: str) -> int:
        """Claim (topic id, partition) pairs under the group's next epoch, by compare-and-set, and return it.

        The claim is one block whose token names the epoch: of several writers that try the same one a single block
        stands, the others' are dropped as repeats; reading back says whose it was, and who lost tries the next.
        Raises LedgerError after 100 lost races.
        """
        for _ in range(100):
            epoch = int(self._query("ledger_latest_epoch")[0][0]) + 1
            self._client.command(
                load("ledger_claim"),
                parameters={
                    "group": self._group,
                    "topic_ids": [topic_id for topic_id, _ in partitions],
                    "partitions": [partition for _, partition in partitions],
                    "epoch": epoch,
                    "worker": worker,
                },
                settings={"insert_deduplication_token": f"epoch:{self._group}:{epoch}", "async_insert": 0},
            )
            owner = self._query("ledger_owner", epoch=epoch)
            if owner and owner[0][0] == worker:
                return epoch
        raise LedgerError("partitions could not be claimed: too many workers want some at once")

    def epochs(self, partitions: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The latest epoch of each (topic id, partition) that has one."""
        rows = self._query(
            "ledger_epochs", topic_ids=sorted({t for t, _ in partitions}), partitions=sorted({p for _, p in partitions})
        )
        wanted = set(partitions)
        return {(t, p): e for t, p, e in rows if (t, p) in wanted}

    def ranges(self, topic: str, topic_id: str, partitions: Sequence[int]) -> dict[int, Held]:
        """What the ledger holds of each of these partitions of a topic."""
        asked = {"topic_id": topic_id, "partitions": sorted(partitions)}
        pending: dict[int, list[LedgerRange]] = {partition: [] for partition in partitions}
        for row in self._query("ledger_pending_ranges", **asked):
            begun = LedgerRange(*row)
            pending[begun.partition].append(begun)
        done: dict[int, list[LedgerRange]] = {partition: [] for partition in partitions}
        for partition, first, last, ingested in self._query("ledger_done_spans", **asked):
            done[partition].append(LedgerRange(topic, topic_id, partition, first, last, 0, 0, ingested, 0, 0))
        return {partition: Held(pending[partition], done[partition]) for partition in partitions}

    def write(self, state: str, ranges: Iterable[LedgerRange], token: str) -> None:
        """Write the ranges in ``state`` (PENDING, DONE, SUPERSEDED), as one insert, repeatable with its token."""
        columns = [
            (
                self._group, r.topic, r.topic_id, r.partition, r.first, r.last, r.epoch, r.batch, r.ingested_ms / 1000,
                r.digest,
                r.map_version, state, r.last - r.first + 1, r.decoded, r.undecodable, r.no_record, r.marks, r.accepted,
                r.unchanged, r.quarantined,
            )
            for r in ranges
        ]  # fmt: skip
        if not columns:
            return
        values = ", ".join(_literal(row) for row in columns)
        self._client.command(
            load("ledger_write") + " VALUES " + values,
            settings={"insert_deduplication_token": token, "async_insert": 0},
        )

    def pending(self) -> int:
        """Ranges of the group that are PENDING."""
        return int(self._query("ledger_pending")[0][0])

    def _query(self, name: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        return self._client.query(load(name), parameters={"group": self._group, **parameters}).result_rows


def _literal(row: Sequence[Any]) -> str:
    """A row of numbers and of texts of ours (names, UUIDs, states) as an SQL tuple."""
    out = []
    for value in row:
        if isinstance(value, str):
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            out.append(f"'{escaped}'")
        elif isinstance(value, float):
            out.append(f"{value:.3f}")
        else:
            out.append(str(int(value)))
    return "(" + ", ".join(out) + ")"


def position(ranges: Iterable[LedgerRange], start: int) -> int:
    """The first offset from ``start`` on that the contiguous union of ``ranges`` does not cover."""
    at = start
    for r in sorted(ranges, key=lambda r: r.first):
        if r.first > at:
            break
        at = max(at, r.last + 1)
    return at

"""Is every message and every mark accounted for? The two identities, proved against the tables.

For each range of offsets that the ledger calls DONE:

    messages  =  decoded + undecodable + no_record
    marks of decoded messages  =  accepted + unchanged + quarantined

The ledger is what is claimed; the right-hand sides are counted in the tables themselves: receipts for decoded messages
and unchanged marks, the quarantine for undecodable messages and refused marks, the history for accepted marks, each
delivery once. Beside the identities the ledger must cover every offset from its first on, leave no range PENDING, and
the tables must hold nothing that no range covers. What does not fit is the *gap*, in messages and marks; 0 is proof.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby, pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from sinks.statements import load

__all__ = ["PartitionAccount", "Reconciliation", "Watermark", "reconcile"]

#: What a message or a mark may end as; columns of the ledger and of reconcile_messages.sql.
_COUNTED = ("decoded", "undecodable", "marks", "accepted", "unchanged", "quarantined")
#: Behind every offset.
_END = 2**63
#: Marks whose partitions are asked for together, so that the history is read once for them; a partition with more has a
#: statement of its own. Each mark is held while it is counted, 100 bytes or so.
_MARKS_AT_ONCE = 4_000_000
#: Partitions asked for together at most: their names go into the address of the request, which may take 64 KB.
_PARTITIONS_AT_ONCE = 500
#: A partition: topic id, number.
_Place: TypeAlias = tuple[str, int]


class Watermark(NamedTuple):
    """What Kafka has of a partition: its first offset, and the one that the next message will get."""

    topic: str
    low: int
    high: int


class _Range(NamedTuple):
    state: str
    first: int
    last: int
    epoch: int
    messages: int
    decoded: int
    undecodable: int
    no_record: int
    marks: int
    accepted: int
    unchanged: int
    quarantined: int


@dataclass
class PartitionAccount:
    """The account of one partition. Counts are of the tables, over the offsets that the ledger calls DONE."""

    topic: str
    topic_id: str
    partition: int
    #: First offset of the ledger, and the first after it that no DONE range covers. Both -1 without a ledger.
    first_offset: int = -1
    next_offset: int = -1
    ranges: int = 0
    #: Ranges begun by a worker that was replaced, and taken whole by later ones: nothing is missing.
    overtaken: int = 0
    messages: int = 0
    decoded: int = 0
    undecodable: int = 0
    no_record: int = 0
    marks: int = 0
    accepted: int = 0
    unchanged: int = 0
    quarantined: int = 0
    #: Marks that stand in the history and in quarantine: they count as history.
    in_both: int = 0
    #: Messages Kafka holds beyond the ledger; None when Kafka was not asked.
    lag: int | None = None
    gap: int = 0
    #: What does not fit, one sentence each.
    problems: list[str] = field(default_factory=list)

    def missing(self, how_many: int, what: str) -> None:
        """Book something that does not fit."""
        if how_many:
            self.gap += how_many
            self.problems.append(f"{how_many:,} {what}")


@dataclass
class Reconciliation:
    """The accounts of all partitions of a consumer group."""

    group: str
    partitions: list[PartitionAccount]

    @property
    def gap(self) -> int:
        """Messages and marks that do not fit; 0 when everything is accounted for."""
        return sum(one.gap for one in self.partitions)

    def total(self, name: str) -> int:
        """The sum of a count of `PartitionAccount` over all partitions."""
        return sum(getattr(one, name) or 0 for one in self.partitions)

    def as_json(self) -> dict[str, Any]:
        """The document `rollcall reconcile --json` prints."""
        counts = ("messages", "decoded", "undecodable", "no_record", "marks", "accepted", "unchanged", "quarantined")
        return {
            "group": self.group,
            "gap": self.gap,
            **{name: self.total(name) for name in (*counts, "in_both", "overtaken", "lag")},
            "partitions": [asdict(one) for one in self.partitions],
        }


def reconcile(
    client: Client,
    group: str,
    watermarks: Mapping[tuple[str, int], Watermark] | None = None,
    drained: bool = False,
) -> Reconciliation:
    """Account for everything that the workers of `group` took from Kafka.

    `watermarks` is what Kafka has, by (topic id, partition); with it the lag is told, and offsets that Kafka still had
    before the ledger's first, or dropped before they were taken, are a gap. `drained`: the sources are silent and the
    workers have had their time, so that lag is a gap too. While workers run, ranges in work are a gap: run it again.
    """
    known = client.query(load("reconcile_partitions"), parameters={"group": group}).result_rows
    places = {(topic_id, partition): topic for topic, topic_id, partition in known}
    for place, mark in (watermarks or {}).items():
        if mark.high > mark.low:
            places.setdefault(place, mark.topic)
    before = _ledger(client, group)
    tables = _tables(client, sorted(places), before)
    # A range is in the ledger before its first row is in a table, so a ledger read after the tables knows them all.
    after = _ledger(client, group)
    accounts = []
    for place, topic in sorted(places.items(), key=lambda one: (one[1], one[0])):
        account = PartitionAccount(topic, *place)
        _account(account, before.get(place, []), tables.get(place, _NOTHING), after.get(place, []))
        if watermarks is not None:
            _compare_with_kafka(account, watermarks.get(place), drained)
        accounts.append(account)
    return Reconciliation(group, accounts)


def _ledger(client: Client, group: str) -> dict[_Place, list[_Range]]:
    rows = client.query(load("reconcile_ranges"), parameters={"group": group}).result_rows
    return {place: [_Range(*row[2:]) for row in own] for place, own in groupby(rows, key=lambda row: row[:2])}


def _tables(client: Client, places: Sequence[_Place], ledger: Mapping[_Place, list[_Range]]) -> dict[_Place, _Messages]:
    """What the tables hold, by partition; of a partition of which they hold nothing, nothing."""
    found: dict[_Place, _Messages] = {}
    for some in _together(places, ledger):
        held = client.query_arrow(load("reconcile_messages"), parameters={"places": some})
        topics = held["topic_id"].combine_chunks().dictionary_encode()
        codes, partitions = topics.indices.to_numpy(), held["partition"].to_numpy()
        changes = np.flatnonzero((np.diff(codes) != 0) | (np.diff(partitions) != 0)) + 1
        for begin, end in pairwise([0, *changes.tolist(), len(held)]):
            if end > begin:
                place = topics.dictionary[int(codes[begin])].as_py(), int(partitions[begin])
                found[place] = _Messages(held.slice(begin, end - begin))
    return found


def _together(places: Sequence[_Place], ledger: Mapping[_Place, list[_Range]]) -> Iterator[list[_Place]]:
    """The partitions in parts that one statement may ask for, by what the ledger says that they hold."""
    part: list[_Place] = []
    marks = 0
    for place in places:
        own = sum(one.messages + one.marks for one in ledger.get(place, []))
        if part and (marks + own > _MARKS_AT_ONCE or len(part) == _PARTITIONS_AT_ONCE):
            yield part
            part, marks = [], 0
        part.append(place)
        marks += own
    if part:
        yield part


def _account(account: PartitionAccount, ranges: Sequence[_Range], tables: _Messages, later: Sequence[_Range]) -> None:
    """Fill in the account: ``ranges`` of the ledger before the tables were read, ``later`` of the ledger after it."""
    done = _standing([one for one in ranges if one.state == "DONE"])
    begun = [one for one in ranges if one.state == "PENDING"]
    covered = _union(done)
    account.ranges = len(done)
    if ranges:
        account.first_offset = min(one.first for one in ranges)
        account.next_offset = _next(covered, account.first_offset)
    for one in begun:
        if _covers(covered, one):
            account.overtaken += 1
        else:
            account.missing(one.last - one.first + 1, f"messages of offsets {one.first}-{one.last} are begun, not done")
    for (_, before), (after, _) in pairwise(_union([*done, *begun])):
        account.missing(after - before - 1, f"messages of offsets {before + 1}-{after - 1} are in no range")
    for one in done:
        _compare(account, one, tables)
    account.missing(tables.outside(_union(later)), "messages stand in the tables and in no range of the ledger")
    account.in_both = int(tables.in_both.sum())


def _compare(account: PartitionAccount, claimed: _Range, tables: _Messages) -> None:
    """Both identities over one range: what the ledger claims against what the tables hold."""
    at = f"of offsets {claimed.first}-{claimed.last}"
    held = tables.within(claimed.first, claimed.last)
    length = claimed.last - claimed.first + 1
    account.missing(abs(length - claimed.messages), f"messages {at}: the range is not as long as the ledger says")
    # no_record leaves nothing in the tables: it is what remains, and must be what the ledger claims.
    account.missing(
        abs(length - held["decoded"] - held["undecodable"] - claimed.no_record),
        f"messages {at} have no receipt, are not in quarantine and were not without a record",
    )
    account.missing(held["imbalance"], f"marks {at} are not in the tables, or twice")
    for name in _COUNTED:
        difference = abs(getattr(claimed, name) - held[name])
        account.missing(
            difference, f"{name} {at}: {getattr(claimed, name):,} in the ledger, {held[name]:,} in the tables"
        )
    account.messages += length
    account.no_record += claimed.no_record
    for name in _COUNTED:
        setattr(account, name, getattr(account, name) + held[name])


def _compare_with_kafka(account: PartitionAccount, mark: Watermark | None, drained: bool) -> None:
    if mark is None:
        return  # The topic was made anew, or is gone: its id is not Kafka's any more.
    if account.first_offset < 0:
        account.lag = mark.high - mark.low
    else:
        account.lag = max(0, mark.high - account.next_offset)
        account.missing(
            max(0, account.first_offset - mark.low), "messages before the ledger's first offset were not taken"
        )
        account.missing(max(0, mark.low - account.next_offset), "messages were dropped by Kafka before they were taken")
    if drained:
        account.missing(account.lag, "messages wait on Kafka")


class _Messages:
    """What the tables hold of each message of a partition, summed over any range of offsets."""

    def __init__(self, held: pa.Table) -> None:
        """`held`: the partition's rows of reconcile_messages.sql, in order."""
        self._offset: NDArray[np.int64] = held["offset"].to_numpy().astype(np.int64)
        columns = {name: held[name].to_numpy().astype(np.int64) for name in (*_COUNTED, "in_both")}
        self.in_both = columns.pop("in_both")
        ends = columns["accepted"] + columns["unchanged"] + columns["quarantined"]
        columns["imbalance"] = np.abs(columns["marks"] - ends) + columns["decoded"] * columns["undecodable"]
        self._sums = {name: np.concatenate([[0], np.cumsum(values)]) for name, values in columns.items()}

    def within(self, first: int, last: int) -> dict[str, int]:
        """Sums over the messages of these offsets, both inclusive."""
        low, high = np.searchsorted(self._offset, [first, last + 1])
        return {name: int(sums[high] - sums[low]) for name, sums in self._sums.items()}

    def outside(self, covered: Sequence[tuple[int, int]]) -> int:
        """Messages at offsets that no span covers."""
        inside = 0
        for first, last in covered:
            low, high = np.searchsorted(self._offset, [first, last + 1])
            inside += int(high - low)
        return len(self._offset) - inside


#: Of a partition of which the tables hold nothing.
_NOTHING = _Messages(pa.table({name: pa.array([], pa.int64()) for name in ("offset", *_COUNTED, "in_both")}))


def _standing(done: Sequence[_Range]) -> list[_Range]:
    """The ranges that account for their offsets: without those that later epochs have taken whole once more."""
    standing: list[_Range] = []
    for _, epoch in groupby(sorted(done, key=lambda one: -one.epoch), key=lambda one: one.epoch):
        later = _union(standing)
        standing += [one for one in epoch if not _covers(later, one)]
    return sorted(standing, key=lambda one: one.first)


def _union(ranges: Sequence[_Range]) -> list[tuple[int, int]]:
    """Spans of offsets covered by the ranges, in order, apart from each other by one offset at least."""
    spans: list[tuple[int, int]] = []
    for one in sorted(ranges, key=lambda one: one.first):
        if spans and one.first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(spans[-1][1], one.last))
        else:
            spans.append((one.first, one.last))
    return spans


def _covers(spans: Sequence[tuple[int, int]], one: _Range) -> bool:
    at = bisect_right(spans, (one.first, _END)) - 1
    return at >= 0 and one.last <= spans[at][1]


def _next(covered: Sequence[tuple[int, int]], start: int) -> int:
    """The first offset from `start` on that is not covered."""
    return covered[0][1] + 1 if covered and covered[0][0] <= start else start

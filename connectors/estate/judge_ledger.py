"""The ledger against the topics: every offset taken once, and every count that of the messages in its ranges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from connectors.estate.marks import CurrentMark
from connectors.estate.outcomes import ReferenceModel
from connectors.estate.topic_log import Logged
from connectors.estate.verdict import Finding

__all__ = ["CurrentKey", "Expected", "judge_ledger"]

_LEDGER_COUNTS = ("decoded", "undecodable", "no_record", "marks", "accepted", "unchanged", "quarantined")
#: (urn, pupil, session date, session).
CurrentKey = tuple[int, Hashable, date, str]


class Expected(NamedTuple):
    """What must be: the model, the messages in order, and the marks that must stand."""

    model: ReferenceModel
    messages: list[Logged]
    current: dict[CurrentKey, CurrentMark]


def judge_ledger(rows: Iterable[Mapping[str, Any]], expected: Expected) -> Finding:
    """Ranges cover every offset once, all of them DONE, and their counts are those of the messages in them."""
    finding = Finding()
    wanted, spans = _wanted(expected)
    found: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    next_offset = {partition: first for partition, (first, _) in spans.items()}
    for row in rows:
        finding.rows += 1
        partition = (row["topic"], row["partition"])
        if row["state"] != "DONE":
            finding.add("wrong", f"{partition} {row['first_offset']}-{row['last_offset']} is {row['state']}")
            continue
        found[partition].update({name: row[name] for name in _LEDGER_COUNTS})
        expected_first = next_offset.get(partition, 0)
        if row["first_offset"] > expected_first:
            finding.add("lost", f"{partition} from {expected_first}", row["first_offset"] - expected_first)
        elif row["first_offset"] < expected_first:
            finding.add("duplicated", f"{partition} from {row['first_offset']}", expected_first - row["first_offset"])
        next_offset[partition] = max(expected_first, row["last_offset"] + 1)
    for partition, (_, end) in spans.items():
        if next_offset[partition] < end:
            finding.add("lost", f"{partition} from {next_offset[partition]}", end - next_offset[partition])
        for name in _LEDGER_COUNTS:
            if found[partition][name] != wanted[partition][name]:
                finding.add("wrong", f"{partition}: {name} {found[partition][name]}, not {wanted[partition][name]}")
    return finding


def _wanted(
    expected: Expected,
) -> tuple[dict[tuple[str, int], Counter[str]], dict[tuple[str, int], tuple[int, int]]]:
    wanted: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    records: Counter[tuple[str, int]] = Counter()
    for message in expected.messages:
        topic, partition, offset, _ = message.arrival
        first, end = spans.get((topic, partition), (offset, offset))
        spans[topic, partition] = (min(first, offset), max(end, offset + 1))
        records[topic, partition] += 1
        receipt = expected.model.receipts.get((topic, partition, offset))
        if receipt is None:
            wanted[topic, partition]["undecodable"] += 1
        else:
            wanted[topic, partition]["decoded"] += 1
            for name in ("marks", "accepted", "unchanged", "quarantined"):
                wanted[topic, partition][name] += getattr(receipt, name)
    for place, (first, end) in spans.items():
        wanted[place]["no_record"] = end - first - records[place]
    return wanted, spans

"""What kiosks said, kept as facts: sign-ins, sign-outs, visitors. Written by the kiosk agent. No marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import london_date

__all__ = ["Fact", "keep"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = pa.timestamp("ms", "UTC")
#: Columns that are as the event says them.
_SAME = ("urn", "source", "event_id", "person_ref", "scheme", "direction", "event_at")
_ROW = pa.schema(
    {
        "event_date": pa.date32(),
        "urn": pa.uint32(),
        "source": pa.string(),
        "event_id": pa.string(),
        "site": pa.string(),
        "person_ref": pa.string(),
        "scheme": pa.string(),
        "direction": pa.string(),
        "reason_code": pa.string(),
        "event_at": _INSTANT,
        "pushed_at": _INSTANT,
        "device": pa.string(),
        "evidence_id": pa.string(),
        "ingested_at": _INSTANT,
    }
)


class Fact(NamedTuple):
    """One event as its Avro schema has it, the id of the evidence it gave ('' for none), and when Kafka took it in."""

    event: Mapping[str, Any]
    evidence_id: str
    arrived_at: datetime


def keep(client: Client, facts: Sequence[Fact]) -> None:
    """Write facts as one block. Repeating it changes nothing: an event is one row, of its first arrival."""
    if not facts:
        return
    rows = [_row(one) for one in facts]
    table = pa.table({name: pa.array([row[name] for row in rows], _ROW.field(name).type) for name in _ROW.names})
    client.insert_arrow("kiosk_event", table, settings={"async_insert": 0})


def _row(fact: Fact) -> dict[str, Any]:
    event = fact.event
    optional = {name: event[name] or "" for name in ("site", "reason_code", "device")}
    return {
        **{name: event[name] for name in _SAME},
        **optional,
        "event_date": london_date(event["event_at"]),
        "pushed_at": event["pushed_at"] or _EPOCH,
        "evidence_id": fact.evidence_id,
        "ingested_at": fact.arrived_at,
    }

"""Deliveries of marks, as the history has them: for explaining a figure or a mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import as_utc
from rollcall.domain.codes import NO_MARK
from sinks.places import Place
from sinks.statements import load

__all__ = ["Delivery", "by_event", "deliveries"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the history. `record_id` is the source's own; show it only with the bytes."""

    event_id: int
    pupil_id: int
    source: str
    source_kind: str
    record_id: str
    code_scheme: str
    raw_code: str
    canonical_code: str
    map_version: int
    minutes_late: int
    amended_from: str
    amend_reason: str
    amended_by: str
    amended_position: str
    amend_evidence: str
    amended_at: datetime
    deleted: bool
    superseded: bool
    asserted_at: datetime
    version: int
    ingested_at: datetime
    exceptions: Sequence[str]
    topic: str
    topic_id: str
    partition: int
    offset: int
    item: int
    schema_id: int
    period: str
    session_date: date
    urn: int
    session: str

    @property
    def place(self) -> Place:
        """Where its message stands."""
        return Place(self.topic_id, self.partition, self.offset)

    @property
    def withdraws(self) -> bool:
        """It says that there is no mark (rule 3)."""
        return self.canonical_code == NO_MARK

    def as_json(self) -> dict[str, Any]:
        """As part of the documents of `rollcall explain`: without the source's id of the record."""
        amendment = {
            "from": self.amended_from, "reason": self.amend_reason, "by": self.amended_by,
            "position": self.amended_position, "evidence": self.amend_evidence, "at": _iso(self.amended_at),
        }  # fmt: skip
        return {
            "event_id": self.event_id,
            "pupil_id": self.pupil_id,
            "source": self.source,
            "source_kind": self.source_kind,
            "code_scheme": self.code_scheme,
            "raw_code": self.raw_code,
            "code_on_arrival": self.canonical_code,
            "code_map_on_arrival": self.map_version,
            "minutes_late": None if self.minutes_late < 0 else self.minutes_late,
            "is_deletion": self.deleted,
            "superseded": self.superseded,
            "amendment": amendment if self.amended_from else None,
            "asserted_at": _iso(self.asserted_at),
            "ingested_at": _iso(self.ingested_at),
            "exceptions": list(self.exceptions),
            "message": {
                "topic": self.topic, "partition": self.partition, "offset": self.offset, "item": self.item,
                "schema_id": self.schema_id,
            },
        }  # fmt: skip


_EVENTS = "session_date = {day:Date} AND urn IN {urns:Array(UInt32)} AND event_id IN {event_ids:Array(UInt64)}"


def by_event(client: Client, day: date, urns: Sequence[int], event_ids: Sequence[int]) -> dict[int, Delivery]:
    """event_id -> delivery, of one date and these schools."""
    if not event_ids:
        return {}
    asked = {"day": day, "urns": sorted(set(urns)), "event_ids": sorted(set(event_ids))}
    return {one.event_id: one for one in deliveries(client, _EVENTS, asked)}


def deliveries(client: Client, condition: str, asked: dict[str, Any]) -> list[Delivery]:
    """Rows of the history that meet a condition of ours; `asked`: its parameters."""
    rows = client.query(load("explain_deliveries").replace("{condition}", condition), parameters=asked).named_results()
    return [Delivery(**{**row, **{name: as_utc(row[name]) for name in _INSTANTS}}) for row in rows]


_INSTANTS = ("amended_at", "asserted_at", "ingested_at")


def _iso(instant: datetime) -> str:
    return as_utc(instant).isoformat(timespec="milliseconds")

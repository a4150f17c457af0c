"""What the reference model says of marks: where each was delivered, what must become of it, what must stand."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date
from typing import NamedTuple

__all__ = ["EVIDENCE", "Again", "Arrival", "CurrentMark", "Key", "Outcome", "Place", "Receipt"]

#: The topic of what kiosks say of pupils.
EVIDENCE = "attendance.evidence.v1"


class Place(NamedTuple):
    """Where a mark or deletion was delivered; `item` -1 is the whole message."""

    topic: str
    partition: int
    offset: int
    item: int


class Arrival(NamedTuple):
    """A message's place and the broker's time of its arrival, ms since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class Again(NamedTuple):
    """What a replay says of itself: where and when the message first arrived, and which items are meant (-1: all)."""

    topic_id: str
    partition: int
    offset: int
    timestamp_ms: int
    items: tuple[int, ...]


class Key(NamedTuple):
    """Assertion key."""

    urn: int
    pupil: Hashable
    session_date: date
    session: str
    period: str
    source: str
    record_id: str


class Outcome(NamedTuple):
    """What must become of one mark or deletion. `key` is None when it is quarantined before its pupil is known."""

    outcome: str
    reason: str = ""
    superseded: bool = False
    deleted: bool = False
    exceptions: int = 0
    key: Key | None = None
    kind: str = ""
    code_scheme: str = ""
    raw_code: str = ""
    canonical_code: str = ""
    minutes_late: int = -1
    asserted_ms: int = 0
    version: int = 0


class Receipt(NamedTuple):
    """What must stand in register_receipt for a decoded message."""

    urn: int
    source: str
    submission_id: str
    marks: int
    accepted: int
    unchanged: int
    quarantined: int


class CurrentMark(NamedTuple):
    """The mark that must stand: the winner, and how many sources have a mark that stands."""

    raw_code: str
    canonical_code: str
    minutes_late: int
    source: str
    sources: int
    place: Place

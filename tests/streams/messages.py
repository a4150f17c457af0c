"""Registers and pages as dicts of their Avro schemas, short to write. URNs and references are made up."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import schemas
from schemas import wire

DAY = date(2025, 9, 10)
#: Nine in the morning, Europe/London, of DAY.
NINE = datetime(2025, 9, 10, 8, tzinfo=UTC)
URN, OTHER_URN, UNKNOWN_URN = 700_001, 700_002, 700_999
REGISTER, PAGE, EVIDENCE = "attendance.register.v1", "attendance.mis.v1", "attendance.evidence.v1"


class Here:
    """The school that messages are of unless they say otherwise: tests that share a database take one each."""

    urn = URN


_numbers = itertools.count(1)


def at(minutes: float = 0, milliseconds: int = 0) -> datetime:
    """So long after nine."""
    return NINE + timedelta(minutes=minutes, milliseconds=milliseconds)


def mark(ref: str, code: str = "/", minutes_late: int | None = None, scheme: str = "mis") -> dict[str, Any]:
    """A mark of a register."""
    return {"pupil_ref": ref, "pupil_scheme": scheme, "code": code, "minutes_late": minutes_late}


def register(*marks: dict[str, Any], submitted_at: datetime = NINE, **facts: Any) -> dict[str, Any]:
    """A register of group 7A in the morning of DAY, whole unless said otherwise."""
    return {
        "submission_id": f"submission-{next(_numbers)}",
        "urn": Here.urn,
        "source": "classroom",
        "group_id": "7A",
        "session_date": DAY,
        "session": "AM",
        "period": None,
        "complete": True,
        "revision": 1,
        "opened_at": None,
        "closed_at": None,
        "submitted_at": submitted_at,
        "taken_by": "S012",
        "code_scheme": "national",
        "marks": list(marks),
        "amendments": [],
        **facts,
    }


def evidence(ref: str, code: str, event_at: datetime = NINE, **facts: Any) -> dict[str, Any]:
    """What a kiosk's sign-in says about the morning of DAY."""
    said = register(mark(ref, code), submitted_at=event_at, source="front-desk", group_id="", complete=False)
    del said["amendments"]
    return {**said, "taken_by": None, **facts}


def record(record_id: str, ref: str, code: str = "/", **facts: Any) -> dict[str, Any]:
    """A mark of a page: a record of the MIS in the morning of DAY."""
    return {
        "record_id": record_id,
        "pupil_ref": ref,
        "pupil_scheme": "mis",
        "session_date": DAY,
        "session": "AM",
        "period": None,
        "code": code,
        "minutes_late": None,
        "modified_at": None,
        **facts,
    }


def page(*records: dict[str, Any], taken_at: datetime = NINE, **facts: Any) -> dict[str, Any]:
    """The only page of a whole pull of DAY."""
    return {
        "pull_id": f"pull-{next(_numbers)}",
        "snapshot": None,
        "urn": Here.urn,
        "source": "mis",
        "complete": True,
        "window_from": DAY,
        "window_to": DAY,
        "page": 0,
        "last_page": True,
        "taken_at": taken_at,
        "code_scheme": "national",
        "marks": list(records),
        "deletions": [],
        **facts,
    }


def topic_of(message: dict[str, Any]) -> str:
    """The topic a message belongs on."""
    if "submission_id" not in message:
        return PAGE
    return REGISTER if "amendments" in message else EVIDENCE


def encode(message: dict[str, Any], ids: dict[str, int] | None = None) -> bytes:
    """A whole message value; ``ids``: topic to schema id, else those of `StubRegistry`."""
    topic = topic_of(message)
    schema_id = (ids or STUB_IDS)[topic]
    return wire.encode(schemas.parsed(topic), schema_id, message)


STUB_IDS = {REGISTER: 1, PAGE: 2, EVIDENCE: 3}


def refs(count: int, prefix: str = "P") -> Sequence[str]:
    """P0, P1, ...: pupils on roll at every school of the tests."""
    return [f"{prefix}{i}" for i in range(count)]

"""The frames that travel through the worker's steps, each declared once."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from streams.batch import Batch

__all__ = ["AMENDMENTS", "COUNTING", "DELETIONS", "EVIDENCE", "MARKS", "MESSAGES", "SOURCE_KINDS", "Decoded", "Refusal"]

#: source_kind as stored (Enum8 in mark_event), by name.
SOURCE_KINDS: dict[str, int] = {"register": 1, "mis": 2, "kiosk": 3}

#: The topic of what kiosks say: in the history and among the assertions, never in a statutory figure (rule 17).
EVIDENCE = "attendance.evidence.v1"
#: The topics whose marks may count.
COUNTING = ("attendance.register.v1", "attendance.mis.v1")

#: One row a decoded message. ``record``: its index in the batch. Instants in ms since 1970; days since 1970; session 0
#: is unreadable.
MESSAGES = pl.Schema(
    {
        "record": pl.UInt32, "schema_id": pl.UInt32, "urn": pl.UInt32, "source": pl.String, "source_kind": pl.UInt8,
        "submission_id": pl.String, "snapshot": pl.String, "group_id": pl.String, "day": pl.Int32, "session": pl.UInt8,
        "period": pl.String, "window_to": pl.Int32, "page": pl.Int32, "last_page": pl.Boolean, "complete": pl.Boolean,
        "revision": pl.Int32, "asserted_ms": pl.Int64, "opened_ms": pl.Int64, "closed_ms": pl.Int64,
        "taken_by": pl.String, "code_scheme": pl.String, "marks": pl.UInt32, "deletions": pl.UInt32,
    }
)  # fmt: skip

#: One row a mark. ``message``: its row in MESSAGES; ``item``: its position in the message.
MARKS = pl.Schema(
    {
        "message": pl.UInt32, "item": pl.UInt32, "day": pl.Int32, "session": pl.UInt8, "period": pl.String,
        "pupil_ref": pl.String, "pupil_scheme": pl.String, "code": pl.String, "minutes_late": pl.Int16,
        "record_id": pl.String, "asserted_ms": pl.Int64,
    }
)  # fmt: skip

#: One row an amendment (rule 26) of the mark (message, item).
AMENDMENTS = pl.Schema(
    {
        "message": pl.UInt32, "item": pl.UInt32, "original_code": pl.String, "reason_code": pl.String,
        "staff_ref": pl.String, "staff_position": pl.String, "evidence": pl.String, "amended_ms": pl.Int64,
    }
)  # fmt: skip

#: One row a deletion: the record a source says is gone.
DELETIONS = pl.Schema({"message": pl.UInt32, "item": pl.UInt32, "record_id": pl.String})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message refused whole. ``record``: its index in the batch; ``reason``: one of the quarantine reasons."""

    record: int
    reason: str
    detail: str
    schema_id: int = 0
    urn: int = 0


@dataclass(slots=True)
class Decoded:
    """A batch as columns: frames of the schemas above, and the messages that could not be read."""

    batch: Batch
    messages: pl.DataFrame
    marks: pl.DataFrame
    amendments: pl.DataFrame
    deletions: pl.DataFrame
    refusals: list[Refusal] = field(default_factory=list)

"""Rows to write, as Arrow columns in the shape of the tables of sinks/migrations/0001_history.sql."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from streams import kernels
from streams.batch import Batch
from streams.frames import Decoded
from streams.replays import keeps_no_bytes
from streams.steps import TakenOut
from streams.world import World

__all__ = [
    "Counts", "mark_event", "mark_reassertion", "quarantine", "quarantine_message", "refused_marks", "register_receipt",
]  # fmt: skip

_KINDS = pa.array(["register", "mis", "kiosk"])
_SESSIONS = pa.array(["AM", "PM"])
_TIMESTAMP = pa.timestamp("ms", "UTC")

#: A refused mark: message (row in MESSAGES), item, reason.
REFUSED = pl.Schema({"message": pl.UInt32, "item": pl.UInt32, "reason": pl.String})


@dataclass(slots=True)
class Counts:
    """Marks per decoded message, by outcome."""

    marks: npt.NDArray[np.int64]
    accepted: npt.NDArray[np.int64]
    unchanged: npt.NDArray[np.int64]
    quarantined: npt.NDArray[np.int64]


def mark_event(decoded: Decoded, marks: pl.DataFrame, world: World) -> pa.Table:
    """Rows of mark_event for accepted ``marks`` (columns added by all steps)."""
    batch, messages = decoded.batch, decoded.messages
    message = marks["message"].to_numpy()
    n = len(marks)
    where = _Whereabouts(batch, messages["record"].to_numpy()[message])
    amendment = marks["amendment"].to_numpy()
    code, canonical = _codes(marks, world)
    version = marks["version"].to_numpy()
    table = {
        "session_date": pa.array(marks["day"].to_numpy()).cast(pa.date32()),
        "urn": marks["urn"].to_arrow(),
        "session": _session(marks["session"]),
        "period": _encode(marks["period"]),
        "pupil_id": marks["pupil_id"].to_arrow(),
        "pupil_ref": _text(marks["pupil_ref"]),
        "pupil_scheme": _encode(marks["pupil_scheme"]),
        "source": _of_message(messages["source"], message),
        "source_kind": pa.DictionaryArray.from_arrays(
            pa.array((messages["source_kind"].to_numpy()[message] - 1).astype(np.int8)), _KINDS
        ),
        "record_id": _text(marks["record_id"]),
        "group_id": _of_message(messages["group_id"], message),
        "code_scheme": _of_message(messages["code_scheme"], message),
        "raw_code": code,
        "canonical_code": canonical,
        "map_version": np.full(n, world.code_map.version, np.uint32),
        "minutes_late": marks["minutes_late"].to_arrow(),
        **_amendment_columns(decoded.amendments, amendment),
        "deleted": marks["deleted"].to_arrow(),
        "superseded": pa.array(marks["verdict"].to_numpy() == kernels.SUPERSEDED),
        "alone": marks["alone"].to_arrow(),
        "asserted_at": _instants((version >> np.uint64(20)).astype(np.int64)),
        "version": version,
        "ingested_at": _instants(np.full(n, batch.ingested_ms, np.int64)),
        "exceptions": marks["exceptions"].to_arrow(),
        "year_group": pa.DictionaryArray.from_arrays(
            pa.array(marks["year_group"].to_numpy().astype(np.int16)), pa.array(world.crosswalk.year_groups)
        ),
        "in_scope": marks["in_scope"].to_arrow(),
        "content": marks["content"].to_arrow(),
        "event_id": where.event_ids(marks["item"].to_numpy()),
        **where.columns(),
        "item": marks["item"].to_arrow(),
        "schema_id": messages["schema_id"].to_numpy()[message],
        "batch": np.full(n, batch.id, np.uint64),
    }
    return pa.table(table)


def mark_reassertion(decoded: Decoded, said_again: pl.DataFrame) -> pa.Table:
    """Rows of mark_reassertion for what `steps.suppress` found (SAID_AGAIN)."""
    batch, message = decoded.batch, said_again["message"].to_numpy()
    where = _Whereabouts(batch, decoded.messages["record"].to_numpy()[message])
    return pa.table(
        {
            "session_date": pa.array(said_again["day"].to_numpy()).cast(pa.date32()),
            "urn": said_again["urn"].to_arrow(),
            "session": _session(said_again["session"]),
            "period": _encode(said_again["period"]),
            "pupil_id": said_again["pupil_id"].to_arrow(),
            **{name: said_again[name].to_arrow() for name in ("version", "content", "again")},
            "ingested_at": _instants(np.full(len(message), batch.ingested_ms, np.int64)),
            **where.columns(),
            "batch": np.full(len(message), batch.id, np.uint64),
        }
    )


def refused_marks(taken: Sequence[TakenOut]) -> pl.DataFrame:
    """All rows that steps took out, as one frame (REFUSED)."""
    if not taken:
        return pl.DataFrame(schema=REFUSED)
    return pl.DataFrame(
        {
            "message": np.concatenate([t.message for t in taken]), "item": np.concatenate([t.item for t in taken]),
            "reason": [reason for t in taken for reason in t.reason],
        },
        schema=REFUSED,
    ).sort("message", "item")  # fmt: skip


def quarantine(decoded: Decoded, refused: pl.DataFrame, world: World) -> pa.Table:
    """Rows of quarantine: refused marks with their item, refused messages with item -1."""
    batch, messages = decoded.batch, decoded.messages
    message = refused["message"].to_numpy()
    whole = decoded.refusals
    marks_day = _days_of(decoded, refused)
    record = np.concatenate(
        [messages["record"].to_numpy()[message], np.array([r.record for r in whole], np.uint32)]
    ).astype(np.int64)
    item = np.concatenate([refused["item"].to_numpy().astype(np.int32), np.full(len(whole), -1, np.int32)])
    where = _Whereabouts(batch, record)
    session = messages["session"].to_numpy()[message]
    table = {
        "reason": pa.array([*refused["reason"], *(r.reason for r in whole)], pa.string()),
        "urn": np.concatenate(
            [messages["urn"].to_numpy()[message], np.array([r.urn for r in whole], np.uint32)]
        ).astype(np.uint32),
        "source": pa.array([*messages["source"].gather(message), *("" for _ in whole)], pa.string()),
        "session_date": pa.array(np.concatenate([marks_day, np.zeros(len(whole), np.int32)]).astype(np.int32)).cast(
            pa.date32()
        ),
        "session": pa.array(
            [*({1: "AM", 2: "PM"}.get(int(s), "") for s in session), *("" for _ in whole)], pa.string()
        ),
        "detail": pa.array([*("" for _ in range(len(refused))), *(r.detail for r in whole)], pa.string()),
        "event_id": where.event_ids(item.astype(np.int64).astype(np.uint64)),
        **where.columns(),
        "item": item,
        "schema_id": np.concatenate(
            [messages["schema_id"].to_numpy()[message], np.array([r.schema_id for r in whole], np.uint32)]
        ).astype(np.uint32),
        "ingested_at": _instants(np.full(len(item), batch.ingested_ms, np.int64)),
        "reference_at": pa.array(np.full(len(item), world.known_us, np.int64)).cast(pa.timestamp("us", "UTC")),
        "batch": np.full(len(item), batch.id, np.uint64),
    }
    return pa.table(table)


def quarantine_message(decoded: Decoded, refused: pl.DataFrame) -> pa.Table:
    """Rows of quarantine_message: the bytes of every message that holds something refused, once.

    What is refused again on replay has its bytes there already, under its first delivery.
    """
    batch = decoded.batch
    of_marks = decoded.messages["record"].gather(refused["message"].unique()).to_list()
    records = sorted({*of_marks, *(r.record for r in decoded.refusals)})
    if batch.has_replays:
        records = [i for i in records if not keeps_no_bytes(decoded, i)]
    arrived = batch.first_arrivals()
    where = _Whereabouts(batch, np.array(records, np.int64))
    return pa.table(
        {
            **where.columns(),
            "key": pa.array([batch.records[i].key or b"" for i in records], pa.binary()),
            "value": pa.array([batch.records[i].value or b"" for i in records], pa.binary()),
            "is_null": pa.array([batch.records[i].value is None for i in records], pa.bool_()),
            "produced_at": _instants(arrived[records] if records else np.zeros(0, np.int64)),
            "ingested_at": _instants(np.full(len(records), batch.ingested_ms, np.int64)),
            "batch": np.full(len(records), batch.id, np.uint64),
        }
    )


def register_receipt(decoded: Decoded, counts: Counts, unchanged: pl.DataFrame) -> pa.Table:
    """Rows of register_receipt: one a decoded message, with the assertions it said again at its own asserted time.

    A mark with a modified time of its own is unchanged only at the very time that stands: nothing to remember.
    """
    batch, m = decoded.batch, decoded.messages
    record = m["record"].to_numpy()
    where = _Whereabouts(batch, record)
    asserted = m["asserted_ms"].to_numpy().astype(np.uint64)
    bounds = np.zeros(len(m) + 1, np.int32)
    at_its_time = unchanged["asserted_ms"].to_numpy() == m["asserted_ms"].to_numpy()[unchanged["message"].to_numpy()]
    if not at_its_time.all():
        unchanged = unchanged.filter(pl.Series(at_its_time))
    named = kernels.mix_columns(unchanged["key"].to_numpy(), unchanged["pupil_id"].to_numpy())
    np.cumsum(np.bincount(unchanged["message"].to_numpy(), minlength=len(m)), out=bounds[1:])
    return pa.table(
        {
            "urn": m["urn"].to_arrow(), "source": _encode(m["source"]),
            "source_kind": pa.DictionaryArray.from_arrays(
                pa.array((m["source_kind"].to_numpy() - 1).astype(np.int8)), _KINDS
            ),
            "submission_id": _text(m["submission_id"]), "snapshot": _encode(m["snapshot"]),
            "group_id": _encode(m["group_id"]),
            "session_date": _dates(m["day"]),
            "session": pa.DictionaryArray.from_arrays(
                pa.array(m["session"].to_numpy().astype(np.int8)), pa.array(["", "AM", "PM"])
            ),
            "period": _encode(m["period"]), "window_to": _dates(m["window_to"]), "page": m["page"].to_arrow(),
            "last_page": m["last_page"].to_arrow(), "complete": m["complete"].to_arrow(),
            "revision": m["revision"].to_arrow(),
            "asserted_at": _instants(asserted.astype(np.int64)),
            "version": (asserted << np.uint64(20)) | (batch.first_offsets()[record] & np.uint64((1 << 20) - 1)),
            "opened_at": _instants(m["opened_ms"].to_numpy()), "closed_at": _instants(m["closed_ms"].to_numpy()),
            "taken_by": _encode(m["taken_by"]),
            "marks": counts.marks.astype(np.uint32), "accepted": counts.accepted.astype(np.uint32),
            "unchanged": counts.unchanged.astype(np.uint32), "quarantined": counts.quarantined.astype(np.uint32),
            "unchanged_keys": pa.ListArray.from_arrays(pa.array(bounds), pa.array(named)),
            "content": kernels.hash_strings(pa.array([batch.records[i].value for i in record], pa.binary())),
            **where.columns(), "schema_id": m["schema_id"].to_arrow(),
            "produced_at": _instants(batch.timestamps()[record]),
            "ingested_at": _instants(np.full(len(m), batch.ingested_ms, np.int64)),
            "batch": np.full(len(m), batch.id, np.uint64),
        }
    )  # fmt: skip


class _Whereabouts:
    """Topic, partition and offset of rows, by the index of their record in the batch."""

    def __init__(self, batch: Batch, record: npt.NDArray[Any]) -> None:
        topics = list(dict.fromkeys(r.topic for r in batch.ranges))
        lengths = [r.messages - r.no_record for r in batch.ranges]
        number = np.repeat([topics.index(r.topic) for r in batch.ranges], lengths).astype(np.int8)
        self._topics = topics
        self._topic = number[record] if len(record) else np.zeros(0, np.int8)
        self._partition = np.repeat([r.partition for r in batch.ranges], lengths).astype(np.uint16)[record]
        self.offset = batch.offsets()[record]

    def columns(self) -> dict[str, Any]:
        """topic, topic_id, partition, offset."""
        index = pa.array(self._topic)
        return {
            "topic": pa.DictionaryArray.from_arrays(index, pa.array([t.name for t in self._topics])),
            "topic_id": pa.DictionaryArray.from_arrays(index, pa.array([t.uuid for t in self._topics])),
            "partition": self._partition,
            "offset": self.offset,
        }

    def event_ids(self, item: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
        """Delivery identity of each row (design 8)."""
        hashed = kernels.hash_strings(pl.Series([t.uuid for t in self._topics], dtype=pl.String))[self._topic]
        return np.asarray(kernels.event_ids(hashed, self._partition, self.offset, item.astype(np.uint64)))


def _codes(marks: pl.DataFrame, world: World) -> tuple[pa.DictionaryArray, pa.DictionaryArray]:
    """raw_code and canonical_code: dictionaries of the map's codes, then of the codes the map does not hold."""
    raw = list(world.code_map.raw)
    entry = marks["code_row"].to_numpy()
    row = world.code_map.raw_of_entry[entry] if len(raw) else np.zeros(len(entry), np.int32)
    outside = np.flatnonzero(entry < 0)
    if len(outside):
        numbers = {text: i for i, text in enumerate(raw)}
        row[outside] = [numbers.setdefault(text, len(numbers)) for text in marks["code"].gather(outside)]
        raw = list(numbers)
    canonical = pa.DictionaryArray.from_arrays(
        pa.array(marks["canonical"].to_numpy()), pa.array(world.code_map.canonical)
    )
    return pa.DictionaryArray.from_arrays(pa.array(row), pa.array(raw, pa.string())), canonical


def _amendment_columns(amendments: pl.DataFrame, index: npt.NDArray[np.int32]) -> dict[str, Any]:
    """The items of rule 26; a mark without an amendment takes the empty entry 0."""
    at = pa.array(index + 1)

    def column(name: str) -> pa.DictionaryArray:
        entries = pa.array(["", *amendments[name]], pa.string()).dictionary_encode()
        return pa.DictionaryArray.from_arrays(entries.indices.take(at), entries.dictionary)

    instants = np.concatenate([np.zeros(1, np.int64), amendments["amended_ms"].to_numpy()])[index + 1]
    return {
        "amended_from": column("original_code"), "amend_reason": column("reason_code"),
        "amended_by": column("staff_ref"), "amended_position": column("staff_position"),
        "amend_evidence": column("evidence"), "amended_at": _instants(instants),
    }  # fmt: skip


def _days_of(decoded: Decoded, refused: pl.DataFrame) -> npt.NDArray[np.int32]:
    """Session dates of refused marks, 0 where there is none that a Date can hold."""
    if not len(refused):
        return np.zeros(0, np.int32)
    days = refused.join(
        decoded.marks.select("message", "item", "day"), on=["message", "item"], how="left", maintain_order="left"
    )
    day = days["day"].fill_null(0).to_numpy()
    return np.where((day < 0) | (day > 65_535), 0, day).astype(np.int32)


def _of_message(column: pl.Series, message: npt.NDArray[Any]) -> pa.DictionaryArray:
    """A message's text on each of its marks, as a dictionary over the messages' distinct texts."""
    encoded = _encode(column)
    return pa.DictionaryArray.from_arrays(encoded.indices.take(pa.array(message)), encoded.dictionary)


def _session(numbers: pl.Series) -> pa.DictionaryArray:
    """AM and PM of the numbers 1 and 2."""
    return pa.DictionaryArray.from_arrays(pa.array((numbers.to_numpy() - 1).astype(np.int8)), _SESSIONS)


def _encode(column: pl.Series) -> pa.DictionaryArray:
    return _text(column).dictionary_encode()


def _text(column: pl.Series) -> pa.Array:
    return column.to_arrow(compat_level=pl.CompatLevel.oldest())


def _dates(days: pl.Series) -> pa.Array:
    values = days.to_numpy()
    return pa.array(np.where((values < 0) | (values > 65_535), 0, values).astype(np.int32)).cast(pa.date32())


def _instants(ms: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(ms).cast(_TIMESTAMP)

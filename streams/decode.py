"""Step 1, decode: raw records to columns. A record that cannot be read is refused whole, with its bytes, alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import polars as pl

from schemas import wire
from schemas.registry import Registry, UnknownSchemaId
from streams.avro import Decoder, list_lengths
from streams.batch import Batch
from streams.frames import AMENDMENTS, DELETIONS, MARKS, MESSAGES, SOURCE_KINDS, Decoded, Refusal
from streams.kernels import item_positions
from streams.replays import keep_named, refuse_unfit

__all__ = ["MARK_RECORDS", "SchemaCache", "decode"]


class SchemaCache:
    """Decoders by schema id, made once for each. An id that the registry does not know is asked for again."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._decoders: dict[int, Decoder | None] = {}
        self._names: dict[int, str] = {}

    def ensure(self, schema_id: int) -> None:
        """Fetch what is not known yet. Raises schemas.registry.RegistryAway when the registry cannot be asked."""
        if schema_id in self._decoders:
            return
        try:
            schema = self._registry.get(schema_id)
        except UnknownSchemaId:
            return  # asked again for each message that names it: it may be registered any moment
        self._names[schema_id] = str(schema.get("name", ""))
        self._decoders[schema_id] = Decoder(schema) if self._names[schema_id] in _NORMALISERS else None

    def decoder(self, schema_id: int) -> Decoder | None:
        """The decoder of a known schema of ours, else None."""
        return self._decoders.get(schema_id)

    def name(self, schema_id: int) -> str | None:
        """Record name of a known schema, None for an id the registry does not know."""
        return self._names.get(schema_id)


def decode(
    batch: Batch, schemas: SchemaCache, future_bound_ms: int, refused_before: frozenset[int] = frozenset()
) -> Decoded:
    """Turn raw records into MESSAGES, MARKS, AMENDMENTS and DELETIONS.

    Refuses: ``no_value``, ``undecodable``, ``unknown_schema``, ``key_mismatch``, ``bad_replay``. Of a replay only the
    items that it names are there. ``future_bound_ms``: how far after a
    record's arrival a source's clock may be believed (rule 6). ``refused_before``: records that stand in quarantine
    whole (recovery): left alone. Raises RegistryAway: the caller pauses, nothing is refused.
    """
    refusals: list[Refusal] = []
    by_schema: dict[int, list[int]] = defaultdict(list)
    for i, record in enumerate(batch.records):
        if i in refused_before:
            continue
        if record.replay is not None and record.replay.trouble:
            refusals.append(Refusal(i, "bad_replay", record.replay.trouble))
            continue
        if record.value is None:
            refusals.append(Refusal(i, "no_value", "the message has no value"))
            continue
        try:
            by_schema[wire.schema_id(record.value)].append(i)
        except ValueError as e:
            refusals.append(Refusal(i, "undecodable", str(e)))
    parts: list[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]] = []
    for schema_id, indexes in sorted(by_schema.items()):
        schemas.ensure(schema_id)
        decoder = schemas.decoder(schema_id)
        if decoder is None:
            name = schemas.name(schema_id)
            why = f"schema id {schema_id} " + ("is not in the registry" if name is None else f"is {name}, not marks")
            refusals.extend(Refusal(i, "unknown_schema", why, schema_id) for i in indexes)
            continue
        frame, kept, bad = decoder.decode([batch.records[i].value[wire.HEADER :] for i in indexes])  # type: ignore[index]
        refusals.extend(Refusal(indexes[i], "undecodable", why, schema_id) for i, why in bad)
        frame = frame.with_columns(
            pl.Series("record", [indexes[i] for i in kept], dtype=pl.UInt32),
            pl.lit(schema_id, pl.UInt32).alias("schema_id"),
        )
        frame = _refuse_wrong_keys(frame, batch, schema_id, refusals)
        frame = refuse_unfit(frame, batch, schema_id, refusals)
        if len(frame):
            parts.append(_NORMALISERS[str(schemas.name(schema_id))](frame))
    decoded = _join(batch, parts)
    decoded.refusals = sorted(refusals, key=lambda r: r.record)
    keep_named(decoded)
    _cap_asserted(decoded, future_bound_ms)
    return decoded


def _refuse_wrong_keys(frame: pl.DataFrame, batch: Batch, schema_id: int, refusals: list[Refusal]) -> pl.DataFrame:
    """Take out messages whose Kafka key is not their URN: another partition's worker may hold that school."""
    keys = [batch.records[i].key for i in frame["record"]]
    agrees = pl.Series(
        [key is not None and key == str(urn).encode() for key, urn in zip(keys, frame["urn"], strict=True)],
        dtype=pl.Boolean,
    )
    if agrees.all():
        return frame
    for record, urn in frame.filter(~agrees).select("record", "urn").iter_rows():
        refusals.append(Refusal(record, "key_mismatch", "the message's key is not its urn", schema_id, max(urn, 0)))
    return frame.filter(agrees)


def _ms(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64).fill_null(0)


def _day(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int32).fill_null(0)


def _session(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String)
    return pl.when(text == "AM").then(1).when(text == "PM").then(2).otherwise(0).cast(pl.UInt8)


def _minutes(name: str) -> pl.Expr:
    return pl.col(name).fill_null(-1).clip(-1, 32_767).cast(pl.Int16)


def _registers(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    messages, marks = _grouped(frame, "register")
    return messages, marks, _amendments(frame), pl.DataFrame(schema=DELETIONS)


def _evidence(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """A register of one mark from a kiosk. Each sign-in stands for itself: a second of the morning says nothing
    against the first, so its submission is the record."""
    messages, marks = _grouped(frame, "kiosk")
    marks = marks.with_columns(messages["submission_id"].gather(marks["message"]).alias("record_id"))
    return messages, marks, pl.DataFrame(schema=AMENDMENTS), pl.DataFrame(schema=DELETIONS)


def _grouped(frame: pl.DataFrame, source_kind: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """MESSAGES and MARKS of messages that carry the marks of one group and session."""
    lengths = list_lengths(frame["marks"])
    messages = frame.select(
        "record", "schema_id", pl.col("urn").cast(pl.UInt32, strict=False).fill_null(0), "source",
        pl.lit(SOURCE_KINDS[source_kind], pl.UInt8).alias("source_kind"), "submission_id",
        pl.lit("").alias("snapshot"), "group_id",
        _day("session_date").alias("day"), _session("session").alias("session"), pl.col("period").fill_null(""),
        pl.lit(0, pl.Int32).alias("window_to"), pl.lit(-1, pl.Int32).alias("page"), pl.lit(True).alias("last_page"),
        "complete", "revision", _ms("submitted_at").alias("asserted_ms"), _ms("opened_at").alias("opened_ms"),
        _ms("closed_at").alias("closed_ms"), pl.col("taken_by").fill_null(""), "code_scheme",
        pl.Series("marks", lengths, dtype=pl.UInt32), pl.lit(0, pl.UInt32).alias("deletions"),
    )  # fmt: skip
    message, item = item_positions(lengths, int(lengths.sum()))
    values = frame.select(pl.col("marks").explode(empty_as_null=False, keep_nulls=False)).unnest("marks")
    marks = values.select(
        pl.Series("message", message), pl.Series("item", item),
        pl.Series("day", messages["day"].to_numpy()[message]),
        pl.Series("session", messages["session"].to_numpy()[message]),
        messages["period"].gather(message), "pupil_ref", "pupil_scheme", "code", _minutes("minutes_late"),
        pl.lit("").alias("record_id"), pl.Series("asserted_ms", messages["asserted_ms"].to_numpy()[message]),
    )  # fmt: skip
    return messages, marks


def _amendments(frame: pl.DataFrame) -> pl.DataFrame:
    lengths = list_lengths(frame["amendments"])
    if not lengths.any():
        return pl.DataFrame(schema=AMENDMENTS)
    message, _ = item_positions(lengths, int(lengths.sum()))
    values = frame.select(pl.col("amendments").explode(empty_as_null=False, keep_nulls=False)).unnest("amendments")
    return values.select(
        pl.Series("message", message), pl.col("item").cast(pl.UInt32, strict=False).fill_null(2**32 - 1),
        "original_code",
        "reason_code", "staff_ref", "staff_position", "evidence", _ms("amended_at").alias("amended_ms"),
    )  # fmt: skip


def _pages(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    lengths, gone = list_lengths(frame["marks"]), list_lengths(frame["deletions"])
    messages = frame.select(
        "record", "schema_id", pl.col("urn").cast(pl.UInt32, strict=False).fill_null(0), "source",
        pl.lit(SOURCE_KINDS["mis"], pl.UInt8).alias("source_kind"), pl.col("pull_id").alias("submission_id"),
        pl.col("snapshot").fill_null(""),
        pl.lit("").alias("group_id"), _day("window_from").alias("day"), pl.lit(0, pl.UInt8).alias("session"),
        pl.lit("").alias("period"), _day("window_to").alias("window_to"), "page", "last_page", "complete",
        pl.lit(0, pl.Int32).alias("revision"), _ms("taken_at").alias("asserted_ms"),
        pl.lit(0, pl.Int64).alias("opened_ms"),
        pl.lit(0, pl.Int64).alias("closed_ms"), pl.lit("").alias("taken_by"), "code_scheme",
        pl.Series("marks", lengths, dtype=pl.UInt32), pl.Series("deletions", gone, dtype=pl.UInt32),
    )  # fmt: skip
    message, item = item_positions(lengths, int(lengths.sum()))
    taken = pl.Series("taken_ms", messages["asserted_ms"].to_numpy()[message])
    values = frame.select(pl.col("marks").explode(empty_as_null=False, keep_nulls=False)).unnest("marks")
    marks = values.select(
        pl.Series("message", message), pl.Series("item", item), _day("session_date").alias("day"),
        _session("session").alias("session"), pl.col("period").fill_null(""), "pupil_ref", "pupil_scheme", "code",
        _minutes("minutes_late"), "record_id",
        pl.col("modified_at").cast(pl.Int64).fill_null(taken).alias("asserted_ms"),
    )  # fmt: skip
    message, item = item_positions(gone, int(gone.sum()))
    deletions = pl.DataFrame(
        {
            "message": message, "item": item + lengths[message].astype(np.uint32),
            "record_id": frame["deletions"].explode(empty_as_null=False, keep_nulls=False),
        },
        schema=DELETIONS,
    )  # fmt: skip
    return messages, marks, pl.DataFrame(schema=AMENDMENTS), deletions


#: What a schema's record name means to us. A new version of a record keeps its name; columns it adds are taken by name.
_NORMALISERS: dict[str, Any] = {"Register": _registers, "MisPage": _pages, "Evidence": _evidence}
#: Record names of the schemas that carry marks.
MARK_RECORDS = frozenset(_NORMALISERS)


def _join(batch: Batch, parts: list[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]]) -> Decoded:
    """One set of frames out of one per schema, messages renumbered in the batch's order."""
    if not parts:
        messages, marks, amendments, deletions = (
            pl.DataFrame(schema=s) for s in (MESSAGES, MARKS, AMENDMENTS, DELETIONS)
        )
        return Decoded(batch, messages, marks, amendments, deletions)
    if len(parts) == 1:
        return Decoded(batch, *parts[0])
    shift, shifted = 0, []
    for messages, *rest in parts:
        shifted.append(
            (messages, *(frame.with_columns(pl.col("message") + pl.lit(shift, pl.UInt32)) for frame in rest))
        )
        shift += len(messages)
    messages, marks, amendments, deletions = (pl.concat(frames) for frames in zip(*shifted, strict=True))
    order = messages["record"].arg_sort()
    rank = np.empty(len(order), np.uint32)
    rank[order.to_numpy()] = np.arange(len(order), dtype=np.uint32)
    renumbered = [
        frame.with_columns(pl.Series("message", rank[frame["message"].to_numpy()])).sort("message", maintain_order=True)
        for frame in (marks, amendments, deletions)
    ]
    return Decoded(batch, messages[order], *renumbered)


def _cap_asserted(decoded: Decoded, future_bound_ms: int) -> None:
    """Rule 6: nothing is asserted later than its arrival plus the bound, else it would shadow later truth for ever."""
    arrival = decoded.batch.first_arrivals()[decoded.messages["record"].to_numpy()] + future_bound_ms
    latest = pl.Series(arrival)
    asserted = decoded.messages["asserted_ms"]
    ahead = (asserted > latest) | False
    decoded.messages = decoded.messages.with_columns(
        pl.Series("asserted_ms", np.clip(asserted.to_numpy(), 0, arrival)), ahead.alias("clock_ahead")
    )
    limit = arrival[decoded.marks["message"].to_numpy()]
    said = decoded.marks["asserted_ms"].to_numpy()
    decoded.marks = decoded.marks.with_columns(
        pl.Series("asserted_ms", np.clip(said, 0, limit)), pl.Series("clock_ahead", said > limit)
    )

"""Decode many Avro datums of one schema at columnar speed, each still answerable for itself.

The datums of a batch are put behind an Avro container-file header, as one block, and `polars.read_avro` decodes the
block (1.4 to 2.3 million marks/s against 0.1 to 0.2 for a decoder that goes message by message; docs/performance.md).
A shared block has one danger: a datum with bytes too many or too few shifts every datum after it. So each datum is
followed by a guard, a random number of this process that the block's schema reads as one more field: where the
guards come out right, each datum ended exactly where its message did. Where they do not, or the decoder refuses, the
batch is halved until the culprit stands alone before `decode_reference`, the message-by-message decoder that is the
last word.

What no guard sees: a datum damaged into another of the same length (Kafka's checksum does), of which the columnar
decoder reads a union branch that does not exist as null, where the reference decoder refuses it.
"""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Sequence
from typing import Any

import fastavro
import numpy as np
import polars as pl

__all__ = ["Decoder", "Undecodable"]

#: Below this many datums the reference decoder is used at once: halving further would cost more.
_SMALL = 8

_GUARD_FIELD = "guard_"

Undecodable = tuple[int, str]


def _long(n: int) -> bytes:
    """Avro's zigzag variable-length encoding of a long."""
    z = (n << 1) ^ (n >> 63)
    out = bytearray()
    while z > 0x7F:
        out.append(z & 0x7F | 0x80)
        z >>= 7
    out.append(z)
    return bytes(out)


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return [_without_logical_types(one) for one in schema] if isinstance(schema, list) else schema


def _bare_type(kind: pl.DataType) -> pl.DataType:
    """The type of a column as fastavro gives it without logical types."""
    if isinstance(kind, pl.List):
        return pl.List(_bare_type(kind.inner))  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _bare_type(field.dtype) for field in kind.fields})  # type: ignore[arg-type]
    if isinstance(kind, pl.Datetime):
        return pl.Int64()
    return pl.Int32() if kind == pl.Date else pl.String() if kind == pl.Categorical else kind


class Decoder:
    """Decodes datums of one writer schema into a polars frame, one row a datum, fields as columns."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """``schema``: a parsed Avro record schema (JSON form) without references."""
        self._reference_schema = fastavro.parse_schema(json.loads(json.dumps(schema)))
        self._bare_schema = fastavro.parse_schema(_without_logical_types(schema))
        self._guard = secrets.randbits(63) | 1 << 62
        self._guard_bytes = _long(self._guard)
        guarded = dict(schema)
        guarded["fields"] = [*schema["fields"], {"name": _GUARD_FIELD, "type": "long"}]
        text = json.dumps(guarded).encode()
        self._sync = secrets.token_bytes(16)
        self._header = (
            b"Obj\x01" + _long(2) + _long(11) + b"avro.schema" + _long(len(text)) + text
            + _long(10) + b"avro.codec" + _long(4) + b"null" + _long(0) + self._sync
        )  # fmt: skip
        #: The frame's columns and types, as the columnar decoder gives them.
        self.frame_schema = self._decode_block([]).schema

    def decode(self, datums: Sequence[bytes]) -> tuple[pl.DataFrame, list[int], list[Undecodable]]:
        """Decode ``datums`` (bodies without the wire header).

        Returns the frame of those that decode, their positions in ``datums``, and (position, reason) of the others.
        """
        frames: list[pl.DataFrame] = []
        good: list[int] = []
        bad: list[Undecodable] = []
        self._decode_span(datums, 0, len(datums), frames, good, bad)
        frame = (
            pl.concat(frames) if len(frames) > 1 else frames[0] if frames else pl.DataFrame(schema=self.frame_schema)
        )
        return frame, good, bad

    def _decode_span(
        self, datums: Sequence[bytes], start: int, end: int,
        frames: list[pl.DataFrame], good: list[int], bad: list[Undecodable],
    ) -> None:  # fmt: skip
        if end <= start:
            return
        block = self._decode_guarded(datums[start:end]) if end - start > 1 else None
        if block is not None:
            frames.append(block)
            good.extend(range(start, end))
        elif end - start <= _SMALL:
            frame, kept, refused = self.decode_reference(datums[start:end])
            frames.append(frame)
            good.extend(start + i for i in kept)
            bad.extend((start + i, why) for i, why in refused)
        else:
            middle = (start + end) // 2
            self._decode_span(datums, start, middle, frames, good, bad)
            self._decode_span(datums, middle, end, frames, good, bad)

    def _decode_guarded(self, datums: Sequence[bytes]) -> pl.DataFrame | None:
        """The frame of all ``datums``, or None when any of them did not end where its message did."""
        try:
            frame = self._decode_block(datums)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            return None
        if len(frame) != len(datums) or not bool((frame[_GUARD_FIELD] == self._guard).all()):
            return None
        return frame.drop(_GUARD_FIELD)

    def _decode_block(self, datums: Sequence[bytes]) -> pl.DataFrame:
        if not datums:
            empty = pl.read_avro(io.BytesIO(self._header + _long(0) + _long(0) + self._sync))
            return empty.drop(_GUARD_FIELD)
        body = self._guard_bytes.join(datums) + self._guard_bytes
        return pl.read_avro(
            io.BytesIO(b"".join((self._header, _long(len(datums)), _long(len(body)), body, self._sync)))
        )

    def decode_reference(self, datums: Sequence[bytes]) -> tuple[pl.DataFrame, list[int], list[Undecodable]]:
        """As `decode`, one datum after the other with fastavro: slow, and the last word on what a datum is.

        Dates and instants are read as the numbers they are: whether a day is a day of ours is not for a decoder to say.
        """
        rows: list[dict[str, Any]] = []
        good: list[int] = []
        bad: list[Undecodable] = []
        for position, datum in enumerate(datums):
            source = io.BytesIO(datum)
            try:
                row = fastavro.schemaless_reader(source, self._bare_schema, None)
            except (
                EOFError,
                ValueError,
                IndexError,
                KeyError,
                TypeError,
                OverflowError,
                MemoryError,
                StopIteration,
            ) as e:
                bad.append((position, f"not a datum of its schema ({type(e).__name__})"))
                continue
            if (left := len(datum) - source.tell()) != 0:
                bad.append((position, f"{left} bytes after the end of the datum"))
                continue
            rows.append(row)  # type: ignore[arg-type]
            good.append(position)
        bare = pl.DataFrame(rows, schema={name: _bare_type(kind) for name, kind in self.frame_schema.items()})
        return bare.cast(dict(self.frame_schema)), good, bad  # type: ignore[arg-type]

    def encode(self, rows: Sequence[dict[str, Any]]) -> list[bytes]:
        """Datums of ``rows``, by fastavro: for tests and tools."""
        out = []
        for row in rows:
            sink = io.BytesIO()
            fastavro.schemaless_writer(sink, self._reference_schema, row)
            out.append(sink.getvalue())
        return out


def list_lengths(column: pl.Series) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Length of each list of a list column, 0 for null."""
    return column.list.len().fill_null(0).cast(pl.Int64).to_numpy()

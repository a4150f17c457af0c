"""The wire format of every message: a zero byte, the schema's id (4 bytes, big-endian), the Avro body.

It is Confluent's, so that any client with a Confluent serializer can read and write our topics.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import fastavro

__all__ = ["HEADER", "body", "decode", "encode", "frame", "schema_id"]

#: Length of what stands before the body, in bytes.
HEADER = 5
_MAGIC = 0
_FRAME = struct.Struct(">BI")


def frame(schema_id: int, body: bytes) -> bytes:
    """Put the header before an Avro body. Raises ValueError for an id that is no unsigned 32-bit number."""
    if not 0 <= schema_id < 1 << 32:
        raise ValueError(f"{schema_id} is no schema id")
    return _FRAME.pack(_MAGIC, schema_id) + body


def schema_id(value: bytes) -> int:
    """The id of the schema a message was written with. Raises ValueError when the value has no such header."""
    if len(value) < HEADER:
        raise ValueError(f"a message of {len(value)} bytes has no schema id")
    magic, found = _FRAME.unpack_from(value)
    if magic != _MAGIC:
        raise ValueError(f"the first byte is {magic}, not 0: this is not the wire format")
    return int(found)


def body(value: bytes) -> bytes:
    """What follows the header."""
    return value[HEADER:]


def encode(schema: dict[str, Any], schema_id: int, record: dict[str, Any]) -> bytes:
    """A whole message value. `schema` is parsed (`schemas.parsed`): an unparsed one works, and is parsed every time.

    Raises ValueError or TypeError when the record does not fit the schema.
    """
    out = BytesIO()
    out.write(_FRAME.pack(_MAGIC, schema_id))
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


def decode(writer: dict[str, Any], value: bytes, reader: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read one message value, whole: written with `writer`, seen as `reader` when given. Both parsed.

    Raises ValueError when the bytes are cut short, damaged, or go on after the record: such a message is not what its
    schema says, and the bytes that are left over could be marks.
    """
    stream = BytesIO(value)
    stream.seek(HEADER)
    try:
        record = fastavro.schemaless_reader(stream, writer, reader)
    except Exception as error:  # noqa: BLE001 - damaged bytes make fastavro raise whatever its cursor runs into
        raise ValueError(f"the bytes do not decode ({type(error).__name__})") from None
    left = len(value) - stream.tell()
    if left:
        raise ValueError(f"{left} bytes are left over after the record")
    if not isinstance(record, dict):
        raise ValueError("the schema is not one of a record")
    return record

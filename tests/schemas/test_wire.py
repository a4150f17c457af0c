"""The five bytes in front of every message, and what is read behind them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from schemas import wire

TOPIC = "reference.calendar.v1"
RECORD: dict[str, Any] = {
    "urn": 100001,
    "academic_year": "2025/26",
    "taken_at": datetime(2025, 9, 1, 5, tzinfo=UTC),
    "terms": [{"name": "autumn", "first_day": date(2025, 9, 3), "last_day": date(2025, 12, 19)}],
    "closures": [],
    "week_cycle": [],
}


@given(st.integers(0, (1 << 32) - 1), st.binary(max_size=50))
def test_the_frame_comes_apart_again(schema_id: int, body: bytes) -> None:
    value = wire.frame(schema_id, body)
    assert value[:1] == b"\0"
    assert (wire.schema_id(value), wire.body(value), len(value)) == (schema_id, body, wire.HEADER + len(body))


@pytest.mark.parametrize("value", [b"", b"\0\0\0\0", b"\1\0\0\0\1body", b'{"urn": 1}'])
def test_bytes_without_the_frame_have_no_schema_id(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"schema id|wire format"):
        wire.schema_id(value)


@pytest.mark.parametrize("schema_id", [-1, 1 << 32])
def test_a_schema_id_is_32_bits(schema_id: int) -> None:
    with pytest.raises(ValueError, match="schema id"):
        wire.frame(schema_id, b"")


def test_a_record_comes_back() -> None:
    value = wire.encode(schemas.parsed(TOPIC), 7, RECORD)
    assert wire.schema_id(value) == 7
    assert wire.decode(schemas.parsed(TOPIC), value) == RECORD


@given(st.data())
def test_cut_or_prolonged_bytes_are_never_read_as_a_record(data: st.DataObject) -> None:
    value = wire.encode(schemas.parsed(TOPIC), 7, RECORD)
    damaged = data.draw(
        st.one_of(
            st.integers(wire.HEADER, len(value) - 1).map(lambda end: value[:end]),
            st.binary(min_size=1, max_size=9).map(lambda more: value + more),
        )
    )
    with pytest.raises(ValueError, match=r"do not decode|left over"):
        wire.decode(schemas.parsed(TOPIC), damaged)


def test_the_error_quotes_nothing_of_the_message() -> None:
    value = wire.encode(schemas.parsed(TOPIC), 7, RECORD)
    with pytest.raises(ValueError, match="do not decode") as error:
        wire.decode(schemas.parsed(TOPIC), value[:-12])
    assert "autumn" not in str(error.value)
    assert error.value.__suppress_context__

"""The columnar decoder and fastavro read the same, and a poisoned datum is refused alone (design 7)."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from streams.avro import Decoder
from tests.streams.messages import PAGE, REGISTER, mark, page, record, register

DECODERS = {topic: Decoder(schemas.load(topic)) for topic in (REGISTER, PAGE)}

words = st.text(max_size=12)
numbers = st.integers(-(2**31), 2**31 - 1)
instants = st.integers(-(2**50), 2**50)
# As numbers: a source may send any, and fastavro writes a number where a date or an instant stands.
marks = st.builds(
    dict, pupil_ref=words, pupil_scheme=words, code=words, minutes_late=st.none() | numbers,
)  # fmt: skip
amendments = st.builds(
    dict, item=numbers, original_code=words, reason_code=words, staff_ref=words, staff_position=words, evidence=words,
    amended_at=instants,
)  # fmt: skip
registers = st.builds(
    dict, submission_id=words, urn=numbers, source=words, group_id=words, session_date=numbers,
    session=st.sampled_from(["AM", "PM"]), period=st.none() | words, complete=st.booleans(), revision=numbers,
    opened_at=st.none() | instants, closed_at=st.none() | instants, submitted_at=instants, taken_by=st.none() | words,
    code_scheme=words, marks=st.lists(marks, max_size=4), amendments=st.lists(amendments, max_size=3),
)  # fmt: skip
records = st.builds(
    dict, record_id=words, pupil_ref=words, pupil_scheme=words, session_date=numbers, session=words,
    period=st.none() | words, code=words, minutes_late=st.none() | numbers, modified_at=st.none() | instants,
)  # fmt: skip
pages = st.builds(
    dict, pull_id=words, snapshot=st.none() | words, urn=numbers, source=words, complete=st.booleans(),
    window_from=st.none() | numbers, window_to=st.none() | numbers, page=numbers, last_page=st.booleans(),
    taken_at=instants, code_scheme=words, marks=st.lists(records, max_size=4), deletions=st.lists(words, max_size=3),
)  # fmt: skip
several = st.one_of(
    st.tuples(st.just(REGISTER), st.lists(registers, min_size=2, max_size=20)),
    st.tuples(st.just(PAGE), st.lists(pages, min_size=2, max_size=20)),
)


def bare(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows with dates and instants as numbers, which may lie beyond what Python calls a date."""

    def kind(of: Any) -> Any:
        if isinstance(of, pl.List):
            return pl.List(kind(of.inner))
        if isinstance(of, pl.Struct):
            return pl.Struct({field.name: kind(field.dtype) for field in of.fields})
        return {pl.Date: pl.Int32, pl.Datetime: pl.Int64, pl.Categorical: pl.String}.get(of.base_type(), of)

    return frame.cast({name: kind(of) for name, of in frame.schema.items()}).to_dicts()


@settings(max_examples=60, deadline=None)
@given(several)
def test_both_engines_read_what_was_written(written: tuple[str, list[dict[str, Any]]]) -> None:
    topic, rows = written
    decoder = DECODERS[topic]
    datums = decoder.encode(rows)
    columnar, kept, refused = decoder.decode(datums)
    reference, kept_by_reference, refused_by_reference = decoder.decode_reference(datums)
    assert (kept, refused) == (list(range(len(rows))), [])
    assert (kept_by_reference, refused_by_reference) == (kept, [])
    assert columnar.schema == reference.schema
    assert bare(columnar) == bare(reference) == rows


def poisoned(how: str, datum: bytes, other: bytes, chance: random.Random) -> bytes:
    if how == "truncated":
        return datum[: chance.randrange(1, len(datum))]
    if how == "trailing":
        return datum + chance.randbytes(chance.randint(1, 20))
    return {"empty": b"", "two datums": datum + other}[how]


KINDS = ("truncated", "trailing", "empty", "two datums")


@settings(max_examples=60, deadline=None)
@given(several, st.data(), st.randoms(use_true_random=False))
def test_a_poisoned_datum_is_named_alone_and_nothing_else_is_lost(
    written: tuple[str, list[dict[str, Any]]], data: st.DataObject, chance: random.Random
) -> None:
    topic, rows = written
    decoder = DECODERS[topic]
    datums = decoder.encode(rows)
    bad = data.draw(st.dictionaries(st.integers(0, len(rows) - 1), st.sampled_from(KINDS), min_size=1, max_size=4))
    sent = [poisoned(bad[i], d, datums[0], chance) if i in bad else d for i, d in enumerate(datums)]
    frame, kept, refused = decoder.decode(sent)
    assert [position for position, _ in refused] == sorted(bad)
    assert all(reason for _, reason in refused)
    assert kept == [i for i in range(len(rows)) if i not in bad]
    assert bare(frame) == [rows[i] for i in kept]


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("position", [0, 1, 500, 999])
def test_one_poisoned_datum_among_a_thousand(how: str, position: int) -> None:
    decoder = DECODERS[REGISTER]
    rows = [register(mark(f"P{i}"), mark("é", "L", 3), urn=i + 1) for i in range(1000)]
    datums = decoder.encode(rows)
    datums[position] = poisoned(how, datums[position], datums[0], random.Random(position))
    frame, kept, refused = decoder.decode(datums)
    assert [at for at, _ in refused] == [position]
    assert frame["urn"].to_list() == [i + 1 for i in kept] == [i + 1 for i in range(1000) if i != position]


@settings(max_examples=60, deadline=None)
@given(several, st.data())
def test_a_flipped_bit_harms_no_other_datum(written: tuple[str, list[dict[str, Any]]], data: st.DataObject) -> None:
    topic, rows = written
    decoder = DECODERS[topic]
    datums = decoder.encode(rows)
    hit = data.draw(st.integers(0, len(rows) - 1))
    flipped = bytearray(datums[hit])
    flipped[data.draw(st.integers(0, len(flipped) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    datums[hit] = bytes(flipped)
    frame, kept, refused = decoder.decode(datums)
    assert sorted([*kept, *(position for position, _ in refused)]) == list(range(len(rows)))
    assert [position for position, _ in refused] in ([], [hit])
    others = [at for at, position in enumerate(kept) if position != hit]
    assert bare(frame[others]) == [rows[kept[at]] for at in others]


def test_ten_thousand_marks_in_one_message_among_empty_ones() -> None:
    decoder = DECODERS[PAGE]
    records_of_one = [record(f"r{i}", f"P{i}", "L", minutes_late=i % 300) for i in range(10_000)]
    rows = [page(), page(*records_of_one), page(deletions=["r1"]), page()]
    frame, kept, refused = decoder.decode(decoder.encode(rows))
    assert (kept, refused) == ([0, 1, 2, 3], [])
    assert frame["marks"].list.len().to_list() == [0, 10_000, 0, 0]
    assert frame["marks"][1].struct.field("minutes_late").to_list() == [i % 300 for i in range(10_000)]
    assert frame["deletions"].to_list() == [[], [], ["r1"], []]
    alone, _, _ = decoder.decode(decoder.encode(rows[1:2]))
    assert alone.equals(frame[1:2])


def test_instants_keep_their_milliseconds() -> None:
    said = datetime(2025, 9, 10, 8, 0, 0, 123_000, UTC)
    decoder = DECODERS[REGISTER]
    frame, _, _ = decoder.decode(decoder.encode([register(submitted_at=said)] * 2))
    assert frame["submitted_at"].to_list() == [said, said]


def test_nothing_at_all_decodes_to_nothing() -> None:
    frame, kept, refused = DECODERS[REGISTER].decode([])
    assert (frame.height, kept, refused) == (0, [], [])
    assert frame.schema == DECODERS[REGISTER].frame_schema

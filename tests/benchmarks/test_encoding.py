"""The compiled encoders write what the schemas say: decoded by fastavro, the marks are the answer key's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import schemas
from benchmarks.encoding import CODES
from benchmarks.loads import MIS, REGISTER, Registers, Repull, registers, repull
from benchmarks.nation import PUPILS, Nation, ref_strings
from rollcall.errors import UsageError
from schemas import wire

WIDE = Nation(60, "upn", "upn")


def _decoded(load: Registers | Repull) -> Iterator[dict[str, Any]]:
    for encoded, schools in load.chunks(77):
        for i in range(len(schools)):
            value = encoded.data[encoded.offsets[i] : encoded.offsets[i + 1]].tobytes()
            assert wire.schema_id(value) == 77
            yield wire.decode(schemas.parsed(load.topic), value)


def _refs(nation: Nation) -> list[str]:
    return list(ref_strings(0, nation.pupils, nation.ref_width).to_pylist())


def _late(mark: dict[str, Any]) -> int:
    return -1 if mark["minutes_late"] is None else int(mark["minutes_late"])


@pytest.mark.parametrize("nation", [Nation(60, "mis"), WIDE], ids=["mis", "upn"])
def test_registers_carry_the_marks_of_the_answer_key(nation: Nation) -> None:
    load = registers(nation, 3_000, seed=5)
    refs = {ref: pupil for pupil, ref in enumerate(_refs(nation))}
    found = Counter(
        (refs[m["pupil_ref"]], {"AM": 1, "PM": 2}[r["session"]], m["code"], _late(m))
        for r in _decoded(load)
        for m in r["marks"]
        if r["urn"] == 100_000 + refs[m["pupil_ref"]] // PUPILS and m["pupil_scheme"] == nation.scheme
    )
    marks = load.key().current
    letters = (chr(CODES[code]) for code in marks.code)
    wanted = zip(marks.pupil.tolist(), marks.session.tolist(), letters, marks.late.tolist(), strict=True)
    assert found == Counter(wanted)
    assert len(found) == 3_000


def test_pulls_repeat_the_share_that_was_asked_for_and_carry_the_rest_as_news() -> None:
    load = repull(WIDE, 80_000, seed=5, unchanged=0.73)
    refs = {ref: pupil for pupil, ref in enumerate(_refs(WIDE))}
    last: dict[tuple[int, str], tuple[str, Any]] = {}
    news = 0
    for page in _decoded(load):
        for mark in page["marks"]:
            place, said = (refs[mark["pupil_ref"]], mark["session"]), (mark["code"], mark["modified_at"])
            news += last.get(place) != said
            last[place] = said
    key = load.key()
    assert news == key.counts.accepted == len(key.history)
    assert key.counts.marks == load.marks == 80_000
    assert abs(key.counts.unchanged / key.counts.marks - 0.73) < 0.01
    current = {
        (pupil, {1: "AM", 2: "PM"}[session]): chr(CODES[code])
        for pupil, session, code in zip(key.current.pupil, key.current.session, key.current.code, strict=True)
    }
    assert current == {place: said[0] for place, said in last.items()}


def test_every_pupil_has_a_reference_of_its_own() -> None:
    for nation in (Nation(100, "mis"), Nation(100, "upn", "upn")):
        refs = _refs(nation)
        assert len(set(refs)) == len(refs) == nation.pupils
        assert {len(ref) for ref in refs} == {nation.ref_width}


def test_more_marks_than_a_day_of_the_nation_holds_are_refused() -> None:
    with pytest.raises(UsageError, match="schools give"):
        registers(WIDE, 60 * PUPILS * 2 + 30, seed=1)
    with pytest.raises(UsageError, match="cannot be made"):
        repull(WIDE, 4 * 500 * 61, seed=1, unchanged=0.73)


def test_the_key_of_some_schools_is_the_part_of_the_whole() -> None:
    load = registers(WIDE, 6_000, seed=2)
    some = np.arange(20)
    whole, part = load.key().current, load.key(some).current
    assert len(part) == int(np.isin(whole.pupil // PUPILS, some).sum())
    assert load.topic == REGISTER
    assert repull(WIDE, 2_000, 1, 0.5).topic == MIS

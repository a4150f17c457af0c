"""The files of the estate's schools that only export: what lies there after each tick, and what is left out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from connectors.csvdrop.columns import MARKS, PUPILS, recognise
from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.schools import School
from tests.estate.conftest import DAY

WHOLE = f"whole-{DAY:%Y%m%d}"


@pytest.fixture
def exporting(tmp_path: Path) -> Iterator[Estate]:
    """Two schools that export, one in each way, with a day on which much is gone, and some of it comes back."""
    estate = Estate.make(
        3, 2, 600, [DAY], Dirt(deletion=0.05, twice_equal=0.02, dated_ahead=1.0), ahead_of=date(2025, 10, 1),
        feeds="csvdrop",
    )  # fmt: skip
    with estate.serve(folder=tmp_path):
        yield estate


def _rows(file: Path) -> list[list[str]]:
    text = file.read_bytes().decode("cp1252")
    return list(csv.reader(text.splitlines(), delimiter=";" if ";" in text.splitlines()[0] else ","))


def _schools(estate: Estate) -> tuple[School, School]:
    """The one that exports as SIMS does, and the one that exports as Arbor's BI connector."""
    sims, arbor = sorted(estate.schools, key=lambda one: one.urn % 2)
    return sims, arbor


def test_rosters_lie_there_before_anything_is_exported(exporting: Estate, tmp_path: Path) -> None:
    for school in exporting.schools:
        (file,) = (tmp_path / school.source_id).iterdir()
        headings, *pupils = _rows(file)
        assert recognise(headings, ",", {}, "national").kind == PUPILS
        assert {row[0] for row in pupils} == {school.pupil_id(row) for row in exporting.pupils.of(school)}


def test_amendments_come_in_a_later_file_and_the_first_lies_there_again(exporting: Estate, tmp_path: Path) -> None:
    sims, arbor = _schools(exporting)
    exporting.advance(0)
    first = {school: tmp_path / school.source_id / f"{WHOLE}-0.csv" for school in (sims, arbor)}
    before = {school: (file.read_bytes(), file.stat().st_mtime_ns) for school, file in first.items()}
    for file in first.values():
        headings = _rows(file)[0]
        assert recognise(headings, ";" if len(headings) > 1 else ",", {}, "national").kind == MARKS
        file.rename(file.with_name("taken"))
    exporting.advance(1)
    assert {school: (file.read_bytes(), file.stat().st_mtime_ns) for school, file in first.items()} == before
    changed = tmp_path / sims.source_id / "changed-1.csv"
    assert 1 < len(_rows(changed)) < len(_rows(first[sims]))
    assert (tmp_path / arbor.source_id / f"{WHOLE}-1.csv").exists()


def test_a_file_of_which_half_is_written_breaks_off_in_a_line_and_is_finished_later(
    exporting: Estate, tmp_path: Path
) -> None:
    for tick in (0, 1, 2):
        exporting.advance(tick)
    for school in exporting.schools:
        half = (tmp_path / school.source_id / f"{WHOLE}-2.csv").read_bytes()
        assert not half.endswith((b"\r", b"\n"))
    exporting.advance(3)
    for school in exporting.schools:
        held, last = tmp_path / school.source_id / f"{WHOLE}-2.csv", tmp_path / school.source_id / f"{WHOLE}-3.csv"
        assert held.read_bytes().endswith(b"\n")
        assert held.stat().st_mtime_ns < last.stat().st_mtime_ns
        assert len({len(row) for row in _rows(held)}) == 1


def test_what_is_gone_is_in_no_later_whole_export_and_what_came_back_is(exporting: Estate, tmp_path: Path) -> None:
    for tick in exporting.ticks:
        exporting.advance(tick)
    for school in exporting.schools:
        held = exporting.records[school.urn].values()
        of_day = [one for one in held if one.session_date == DAY]
        standing = [one for one in of_day if one.deleted_at is None]
        rows = _rows(tmp_path / school.source_id / f"{WHOLE}-3.csv")[1:]
        assert len(rows) == len(standing) + sum(one.twice for one in standing)
        gone = [one for one in of_day if one.deleted_at is not None and one.served]
        assert gone
        assert all(one.served[-1] is None for one in gone)
        assert all(one.served[-1] == one.code for one in standing)
        ahead = _rows(tmp_path / school.source_id / "changed-3.csv")[1:]
        assert len(ahead) == sum(one.session_date != DAY for one in held) > 0
    _, arbor = _schools(exporting)
    assert any(None in one.served and one.deleted_at is None for one in exporting.records[arbor.urn].values())

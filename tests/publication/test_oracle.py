"""What the Department published for one authority and week comes out of marks that went the whole way, cell for cell.

What is it: 261,831 marks invented to the published rows of Telford and Wrekin, sent as registers through Kafka, taken
in by the worker, counted by derive, laid out by `rollcall publish attendance`. When does it matter: any rule of scope,
code, session, enrolment or persistent absence that is wrong by one pupil changes a cell. How to resolve: `rollcall
publish compare` names the cell. For all authorities: docs/publishing.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from connectors.estate.published.allocation import Allocation, allocate, differences
from connectors.estate.published.cells import Cell, read
from connectors.estate.published.send import send
from rollcall.cli.app import build
from rollcall.domain.codes import BY_CODE
from rollcall.errors import UsageError
from sinks.verify import verify
from streams.reference import Loader
from tests.streams.rig import Place, Rig

WEEK = Path(__file__).with_name("telford_and_wrekin_2025_week37.csv")
LA, MARKS = "894", 261_831
#: The whole file, where it is.
EDITION = Path(__file__).parents[3] / "shared" / "data" / "dfe_dashboard_2025_week37_full.csv"


@pytest.fixture
def run(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `rollcall ...` against this test's database."""
    monkeypatch.setenv("ROLLCALL_HOME", str(rig.home))
    monkeypatch.setenv("ROLLCALL_CLICKHOUSE__DATABASE", rig.database)
    return lambda *arguments: CliRunner().invoke(build(), list(arguments))


def test_one_authoritys_week_comes_out_as_it_was_published(
    rig: Rig, run: Callable[..., Result], tmp_path: Path
) -> None:
    sent = send(rig.settings, read(WEEK), code_map=False)
    assert sent.marks == MARKS
    Loader(rig.settings, rig.client, group=f"{rig.group}-reference").run(once=True)
    # A machine that others use may not answer Kafka for seconds.
    with rig.worker(rig.settings_with(session_timeout_ms=45_000)):
        rig.settle(*(Place(topic, partition, offset) for (topic, partition), offset in sent.last.items()))
    ours = tmp_path / "week.csv"
    made = run("publish", "attendance", "--from", "2025-09-08", "--to", "2025-09-12", "--la", LA, "--out", str(ours))
    assert made.exit_code == 0, made.output
    compared = run("publish", "compare", str(WEEK), str(ours), "--la", LA)
    assert compared.exit_code == 0, compared.output
    assert compared.stdout.startswith("28 rows, 1,")
    assert "0 differ" in compared.stdout

    # What must not count is there, every kind of it: a rule that let it in would change the figures.
    outside = dict(
        rig.client.query(
            "SELECT multiIf(phase IN ('PRU/AP', 'Nursery'), phase, school_name LIKE '%independent%', 'independent',"
            " 'too young or too old') AS why, sum(marks) FROM session_counts WHERE la_code = '894' AND NOT in_headline"
            " GROUP BY why"
        ).result_rows
    )
    assert set(outside) == {"too young or too old", "PRU/AP", "Nursery", "independent"}
    assert min(outside.values()) >= 200
    assert rig.client.query("SELECT count() FROM marks_live WHERE rule = 'kiosk_for_missing'").first_row[0] > 10
    amended, withdrawn = rig.client.query(
        "SELECT uniqExactIf((session_date, urn, session, pupil_id), raw_code = 'N'), countIf(raw_code = '-')"
        " FROM mark_event FINAL"
    ).first_row
    assert amended > 500
    assert withdrawn > 20
    assert verify(rig.client).equal


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return read(WEEK)


def agrees(dealt: Allocation) -> None:
    """Every count of the cell, recounted from pupils."""
    assert differences(dealt) == []


def test_pupils_recounted_give_every_figure_of_the_cell(cells: list[Cell]) -> None:
    assert [one.phase for one in cells] == ["Primary", "Secondary", "Special"]
    for cell in cells:
        agrees(allocate(cell))


def test_whose_sessions_are_possible_is_on_roll_rule_20(cells: list[Cell]) -> None:
    possible = [code.code for code in BY_CODE.values() if code.in_possible_sessions]
    for cell in cells:
        dealt = allocate(cell)
        for number in range(len(cell.days)):
            marked = np.isin(dealt.marks[number], possible).any(axis=0)
            assert marked.any()
            assert not (marked & ~dealt.on_roll[number]).any()


def test_a_recount_sees_one_mark_one_school_and_one_pupil_too_many(cells: list[Cell]) -> None:
    dealt = allocate(cells[2])
    dealt.marks[0, 0, 0] = "I"
    assert "Special, 2025-09-08: marks" in differences(dealt)[0]
    dealt = allocate(cells[2])
    dealt.on_roll[1, :] = True
    assert "2025-09-09: enrolments 763, not 762" in differences(dealt)[0]
    dealt = allocate(replace(cells[2], persistent=None, pupils=None))
    assert differences(replace(dealt, cell=cells[2])) != []


def test_schools_that_report_on_some_days_only(cells: list[Cell]) -> None:
    cell = cells[2]
    days = [replace(day, schools=day.schools - (number % 2)) for number, day in enumerate(cell.days)]
    agrees(allocate(replace(cell, days=days)))


def test_one_day_without_a_year_to_date() -> None:
    (cell, *_) = read(WEEK, days=[date(2025, 9, 10)])
    assert (len(cell.days), cell.pupils, cell.persistent) == (1, None, None)
    agrees(allocate(cell))


def test_a_cell_that_contradicts_itself_is_refused(cells: list[Cell]) -> None:
    day = replace(cells[2].days[0], marks={"/": 100, "I": 5000})
    with pytest.raises(ValueError, match="Telford and Wrekin, Special, 2025-09-08"):
        allocate(replace(cells[2], days=[day]))


@pytest.mark.skipif(not EDITION.exists(), reason="the Department's whole file is not beside this checkout")
def test_every_tenth_cell_of_the_nation() -> None:
    found = read(EDITION)
    assert len(found) == 454
    for cell in found[::10]:
        agrees(allocate(cell))


@pytest.mark.skipif(not EDITION.exists(), reason="the Department's whole file is not beside this checkout")
def test_suppressed_cells_are_found_by_subtraction() -> None:
    """R3 of the published file: City of London has one primary school, and York one special school that reports."""
    wednesday = [date(2025, 9, 10)]
    (city,) = read(EDITION, wednesday, ["201"])
    (day,) = city.days
    assert (day.schools, sum(n for code, n in day.marks.items() if BY_CODE[code].in_possible_sessions)) == (1, 353)
    agrees(allocate(city))
    special = next(cell for cell in read(EDITION, wednesday, ["816"]) if cell.phase == "Special")
    agrees(allocate(special))


def test_a_file_that_is_no_published_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"other\.csv is no published file"):
        read(file)
    with pytest.raises(UsageError, match="no rows of local authority 999"):
        read(WEEK, las=["999"])
    with pytest.raises(UsageError, match="no Daily row"):
        read(WEEK, days=[date(2024, 1, 1)])

"""Kills, zombies and crashes under load, on a stack of their own; the estate's expected outcomes against every table.

`rollcall torture --kills N` runs the same scenarios as often as wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from rollcall.cli.scenarios.arena import Arena
from rollcall.cli.scenarios.torture import FAULTS, REST, Row, chosen, ticks_needed, torture
from rollcall.errors import UsageError
from rollcall.failpoints import FAIL_POINTS, FailPoints

SEED = 20250910
#: On a busy machine; alone, all of this takes about three minutes.
pytestmark = [pytest.mark.timeout(900), pytest.mark.stack]


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Arena]:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("kills parts of an embedded stack of its own")
    names = chosen([])
    ticks = ticks_needed(names, 1)
    with Arena(tmp_path_factory.mktemp("torture"), SEED, ticks, schools=4, pupils=600, decided=True) as made:
        yield made


def found(row: Row) -> str:
    return f"{row.as_json()}"


def test_a_kill_at_every_fail_point_loses_doubles_and_changes_nothing(arena: Arena) -> None:
    """Each worker dies at the next point and finds what its predecessor left; the last one finishes."""
    rows = torture(arena, FAIL_POINTS, 1, judge_each=False, rest=False)
    assert [(row.point, row.kills) for row in rows[:-1]] == [(point, 1) for point in FAIL_POINTS]
    assert rows[-1].harmless, found(rows[-1])
    assert arena.gauge.taken().marks > 1_000


@pytest.mark.parametrize("fault", FAULTS)
def test_a_crash_or_a_zombie_loses_doubles_and_changes_nothing(arena: Arena, fault: str) -> None:
    row = torture(arena, [fault], 1, rest=False)[0]
    assert row.harmless, found(row)


def test_after_all_that_the_days_end_as_the_estate_knows_they_must(arena: Arena) -> None:
    """Everything is played, so the judge also asks what stands for every pupil and session."""
    row = torture(arena, [], 1)[-1]
    assert row.point == REST
    assert row.harmless, found(row)
    assert arena.found is not None
    assert "truth" in arena.found.verdict.tables


def test_the_judge_sees_one_mark_lost_and_one_changed(arena: Arena) -> None:
    """What keeps the zeros above honest. Last, for it spoils the tables."""
    day = date(2025, 9, 8).isoformat()
    columns = "session_date, urn, session, pupil_id, source, source_kind, canonical_code, minutes_late, asserted_at, "
    columns += "exceptions, year_group, in_scope, sources, disagree, event_id"
    for raw_code, is_mark in (("'?'", "is_mark"), ("raw_code", "0")):
        arena.client.command(
            f"INSERT INTO mark_current ({columns}, raw_code, is_mark, derived_version) "
            f"SELECT {columns}, {raw_code}, {is_mark}, derived_version + 1 FROM mark_current FINAL "
            f"WHERE session_date = '{day}' AND is_mark ORDER BY urn, pupil_id, session, raw_code = '?' LIMIT 1"
        )
        judged = arena.judge()
        assert not judged.equal
        assert judged.differences
    assert judged.verdict.lost


def test_a_fail_point_is_armed_by_name_and_pass_and_nothing_else(tmp_path: Path) -> None:
    FailPoints("").reach("history.written")
    FailPoints("history.written:2").reach("history.written")
    FailPoints("history.written").reach("done.written")
    for wrong in ("history.forgotten", "history.written:1:faint", "history.written:soon"):
        with pytest.raises(ValueError, match=r"fail point|invalid literal"):
            FailPoints(wrong)


def test_a_point_that_does_not_exist_is_a_usage_error() -> None:
    assert chosen(["history.written", "zombie"]) == ["history.written", "zombie: SIGSTOP, group moves on, SIGCONT"]
    with pytest.raises(UsageError, match="no such point: nowhere"):
        chosen(["nowhere"])

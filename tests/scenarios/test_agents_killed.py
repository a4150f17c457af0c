"""The pulls and alerts agents killed at work, on a stack of their own. `rollcall agents torture` does so, larger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rollcall.cli.scenarios import alerts, pulls

pytestmark = [pytest.mark.timeout(600), pytest.mark.stack]


def _own_stack(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("kills agents on an embedded stack of its own")


def test_of_two_agents_killed_in_mid_batch_every_record_of_the_mis_arrives(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    _own_stack(request)
    found = pulls.torture(tmp_path / "stack", 7, 600, 2, every=2)
    assert found.harmless, found.as_json()
    assert (found.kills, found.records > 400, found.requests > 0) == (2, True, True)


def test_an_agent_killed_while_it_says_what_it_found_says_all_of_it_under_the_same_ids(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    _own_stack(request)
    found = alerts.torture(tmp_path / "stack", 7, 900, 2)
    assert found.harmless, found.as_json()
    assert (found.kills, found.alerts >= 900, found.repeats > 0) == (2, True, True)


def test_a_result_is_harmless_only_without_any_difference() -> None:
    clean = pulls.Result(2, 600, 100, 60, 3, 0)
    assert clean.harmless
    for name in ("lost", "rows_lost", "rows_duplicated", "rows_wrong", "gap", "differences"):
        assert not replace(clean, **{name: 1}).harmless
    said = alerts.Result(2, 600, 700, 100, 0, 0, 0)
    assert said.harmless
    for name in ("lost", "wrong", "surplus"):
        assert not replace(said, **{name: 1}).harmless

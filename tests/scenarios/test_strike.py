"""A strike day in seconds: schools in trouble, the puller killed in the middle of a cut, everything against the truth.

`rollcall snapshot rehearse --schools 2000 --pupils 600000 --every 5m --deadline 4m` is the same with more of it. And a
snow morning: schools that are closed and say so, and others of which nothing is heard until noon.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rollcall.cli.scenarios.strike import Plan, rehearse_on

pytestmark = [pytest.mark.timeout(600), pytest.mark.stack]


class Quiet:
    def step(self, what: str) -> None:
        """Nobody listens."""


def test_coverage_differences_history_and_receipts_are_what_the_estate_knows(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("starts an embedded stack of its own")
    found = rehearse_on(Plan(tmp_path / "home"), Quiet())
    assert found.judgement.wrong == []
    assert (found.gap, found.differences, found.kills) == (0, 0, 1)
    # What keeps the zeros honest: every kind of thing was there to be compared.
    assert {"coverage", "in time", "differences", "receipts", "answered at one only", "not asked"} <= set(
        found.judgement.compared
    )
    assert found.judgement.compared["pulled for changes"] > 0
    # At each cut a school stops in the middle of its answer; at the first two another falls silent there.
    assert found.judgement.compared["received in part"] >= 3
    assert found.judgement.compared["differences"] > 20
    stood = [cut["counts"] for cut in found.cuts]
    assert all(cut["late"] and cut["failed"] and cut["refused"] for cut in stood)
    assert sum(cut["silent"] for cut in stood) >= 2


def test_on_a_snow_morning_closed_is_y4_and_who_was_offline_comes_in_whole_at_noon(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("starts an embedded stack of its own")
    found = rehearse_on(Plan(tmp_path / "home", schools=20, pupils=1_000, every=14, deadline=8, snow=True), Quiet())
    assert found.judgement.wrong == []
    assert (found.gap, found.differences, found.kills) == (0, 0, 1)
    # Three schools of twenty are closed, and one is offline; failing, broken, halting, silent, stalling had no answer.
    assert found.judgement.standing["Y4"] > 100
    first, *_, noon = (cut["counts"] for cut in found.cuts)
    assert (first["failed"] + first["silent"], noon["failed"] + noon["silent"]) == (6, 2)

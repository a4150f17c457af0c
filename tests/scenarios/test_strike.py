"""A strike day in seconds: schools in trouble, the puller killed in the middle of a cut, everything against the truth.

`rollcall snapshot rehearse --schools 2000 --pupils 600000 --every 5m --deadline 4m` is the same with more of it.
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
    assert found.judgement.compared["differences"] > 20
    stood = [cut["counts"] for cut in found.cuts]
    assert all(cut["late"] and cut["failed"] and cut["refused"] for cut in stood)
    assert sum(cut["silent"] for cut in stood) >= 2

"""The kiosk agent killed under load, on a stack of its own. `rollcall agents torture` does the same, larger."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from connectors.estate.estate import Estate
from connectors.estate.kiosks import KioskDirt, Kiosks
from rollcall.cli.scenarios.kiosks import Result, torture

pytestmark = [pytest.mark.timeout(600), pytest.mark.stack]


def test_two_kills_lose_double_and_change_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--stack") == "containers":
        pytest.skip("kills an agent on an embedded stack of its own")
    found = torture(tmp_path / "stack", 7, 900, 2)
    assert found.harmless, found.as_json()
    assert found.kills == 2
    assert found.evidence > 300


def test_a_result_is_harmless_only_without_any_difference() -> None:
    clean = Result(100, 5, 60, 3, 0, 0, 0, 0, 0)
    assert clean.harmless
    for name in ("lost", "wrong", "surplus", "facts_lost", "facts_wrong", "statutory", "gap", "differences"):
        assert not replace(clean, **{name: 1}).harmless


def test_kiosks_are_drawn_from_the_truth_with_their_dirt_and_the_same_for_the_same_seed() -> None:
    day = date(2025, 9, 10)
    estate = Estate.make(3, 4, 800, [day])
    kiosks = Kiosks(estate, lambda upn: ("upn", f"k1:{upn[::-1]}"), KioskDirt(repeats=0.2))
    events = kiosks.events(day)
    assert events == Kiosks(estate, lambda upn: ("upn", f"k1:{upn[::-1]}"), KioskDirt(repeats=0.2)).events(day)
    assert len({one["event_id"] for one in events}) < len(events)
    came, went = (sum(one["direction"] == way for one in events) for way in ("in", "out"))
    assert came > went > 0
    said = kiosks.evidence(events)
    codes = {one["marks"][0]["code"] for one in said.values()}
    assert codes == {"/", "\\", "L", "U"}
    assert len(said) < came


def test_a_kiosk_may_stand_at_some_schools_only() -> None:
    day = date(2025, 9, 10)
    estate = Estate.make(3, 6, 800, [day])
    refs = lambda upn: ("upn", f"k1:{upn[::-1]}")  # noqa: E731
    everywhere, some = Kiosks(estate, refs), Kiosks(estate, refs, every=3)
    urns = {school.urn for school in some.schools}
    assert len(urns) == 2
    assert some.events(day) == [one for one in everywhere.events(day) if one["urn"] in urns]
    assert {one["urn"] for one in some.evidence(some.events(day)).values()} == urns

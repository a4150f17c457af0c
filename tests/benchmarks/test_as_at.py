"""The benchmark of past instants, tiny: the figures are those it was filled with. Nothing here looks at the clock."""

from __future__ import annotations

from typing import Any

from benchmarks import as_at


def test_a_day_is_answered_as_known_that_evening_and_as_known_later(clickhouse: Any) -> None:
    assert as_at.run(clickhouse, 12)["came_later"] == 168

"""The strike day's benchmark, tiny: its table has the figures it was filled with. Nothing here looks at the clock."""

from __future__ import annotations

from typing import Any

from benchmarks import strike


def test_the_table_of_twelve_schools_is_what_they_were_filled_with(clickhouse: Any) -> None:
    assert len(strike.run(clickhouse, 12)) == 5

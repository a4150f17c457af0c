"""What a national day as at a past instant takes: `python -m benchmarks.as_at [SCHOOLS]`, on the stack of the settings.

A database of its own is filled by SQL with the marks of a day (280 pupils of 24,500 schools, both sessions), and with
what came of every fortieth pupil two weeks later. Asked is the table of authorities and phases as known that evening,
and as known now. The figures are arithmetic, and held against every answer. Prints JSON, in seconds.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, date, datetime
from importlib.resources import files
from statistics import median
from typing import Any

from clickhouse_connect.driver.client import Client

from benchmarks.strike import database, fill
from rollcall.settings import Settings
from sinks.as_at import opened
from sinks.derive import counts_expression, derive, fill_counts
from sinks.statements import load

_DATABASE = "benchmark_as_at"
_RUNS, _PUPILS = 3, 280
_DAY = date(2026, 9, 9)
_EVENING, _LATER = (datetime(2026, 9, day, 18, tzinfo=UTC) for day in (9, 30))
_NATION = (
    "SELECT la_code, phase, canonical_code, sum(marks) AS marks, uniqExact(urn) FROM session_counts"
    " WHERE session_date = {day:Date} GROUP BY ALL"
)


def run(client: Client, schools: int) -> dict[str, Any]:
    """Fill the client's database and ask. Raises AssertionError: not the figures."""
    for name in ("school", "version", "codes"):
        fill(client, name, schools)
    _marks(client, schools, later=False)
    current = f"(SELECT * FROM mark_current WHERE session_date = '{_DAY}')"
    fill_counts(client, counts_expression(current, load("verify_no_counts")), {}, {})
    _marks(client, schools, later=True)
    derive(client, [2])
    return {
        "marks": 2 * _PUPILS * schools,
        "came_later": 14 * schools,
        "that_evening": _figures(client, schools, _EVENING, 0),
        "three_weeks_later": _figures(client, schools, _LATER, 7),
        "now": _figures(client, schools, None, 7),
    }


def _marks(client: Client, schools: int, *, later: bool) -> None:
    statement = (files("benchmarks") / "sql" / "as_at_marks.sql").read_text(encoding="utf-8")
    client.command(statement, parameters={"schools": schools, "day": _DAY, "later": later})


def _figures(client: Client, schools: int, at: datetime | None, absent: int) -> dict[str, Any]:
    taken = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        if at is None:
            rows = client.query(_NATION, parameters={"day": _DAY}).result_rows
        else:
            with opened(client, at, _DAY, _DAY, asks=[_NATION]) as then:
                rows = then.query(_NATION, parameters={"day": _DAY}).result_rows
        taken.append(time.perf_counter() - begun)
        found: dict[str, int] = {}
        for _, _, code, marks, _ in rows:
            found[code] = found.get(code, 0) + int(marks)
        key = {"/": 266, "\\": 266, "L": 28 - 2 * absent, "I": 2 * absent}
        assert found == {code: marks * schools for code, marks in key.items() if marks}, found
    return {"median_s": round(median(taken), 2), "runs_s": [round(one, 2) for one in taken]}


def main() -> None:
    """Fill, measure, print, drop."""
    schools = int(sys.argv[1]) if len(sys.argv) > 1 else 24_500
    with database(Settings.load(), _DATABASE) as client:
        print(json.dumps(run(client, schools), indent=2))


if __name__ == "__main__":
    main()

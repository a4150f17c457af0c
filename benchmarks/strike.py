"""How long a strike day's table takes: `python -m benchmarks.strike [SCHOOLS]`, on the stack of the settings.

A database of its own is filled by SQL with schools, rolls of 300 and counts of a day (not with a history: what a pull
and the worker take before that is measured by `rollcall bench snapshot` and `e2e`), published three times and dropped.
The figures of the table are known, and held against it.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

from clickhouse_connect.driver.client import Client

from connectors.estate.strike_nation import DAY
from rollcall.domain.clock import now
from rollcall.settings import Settings
from sinks.clickhouse import connect
from sinks.migrate import migrate
from sinks.strike import Cut, publish

_DATABASE = "benchmark_strike"
_RUNS = 3


def run(client: Client, schools: int) -> list[float]:
    """Fill the client's database and publish; how many seconds each took. Raises AssertionError: not the figures."""
    for name in ("school", "version", "roll", "counts"):
        statement = (files("benchmarks") / "sql" / f"strike_{name}.sql").read_text(encoding="utf-8")
        client.command(statement, parameters={"schools": schools, "day": DAY})
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(_RUNS):
            file, begun = Path(folder) / "strike.csv", time.perf_counter()
            publish(client, Cut(DAY, "14:00", now()), ("region", "phase", "la"), file)
            taken.append(time.perf_counter() - begun)
        with file.open(encoding="utf-8", newline="") as text:
            nation = next(row for row in csv.DictReader(text) if row["school_type"] == "Total")
    shut, partly = (schools + 4) // 5, (schools + 3) // 5
    found = tuple(int(nation[name]) for name in ("open", "restricted", "closed"))
    assert found == (schools - shut - partly, partly, shut), found
    return taken


def main() -> None:
    """Fill, measure, print, drop."""
    schools = int(sys.argv[1]) if len(sys.argv) > 1 else 24_500
    settings = Settings.load()
    server = connect(settings.clickhouse)
    migrate(server, _DATABASE)
    try:
        client = connect(settings.clickhouse, _DATABASE)
        taken = run(client, schools)
        client.close()
    finally:
        server.command(f"DROP DATABASE IF EXISTS {_DATABASE} SYNC", use_database=False)
        server.close()
    print(f"{schools:,} schools: " + ", ".join(f"{seconds:.1f} s" for seconds in taken))


if __name__ == "__main__":
    main()

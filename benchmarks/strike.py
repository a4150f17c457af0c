"""How long a strike day's table takes: `python -m benchmarks.strike [SCHOOLS]`, on the stack of the settings.

A database of its own is filled by SQL with schools, rolls of 300, the marks of a day and their counts (what a pull and
the worker take before that is measured by `rollcall bench snapshot` and `e2e`). A cut is published three times as it
stands, then when marks of every twentieth school have come later, then when reference data has. The figures of the
table are known, and held against each.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from clickhouse_connect.driver.client import Client

from connectors.estate.strike_nation import DAY
from rollcall.settings import Settings
from sinks.clickhouse import connect
from sinks.migrate import migrate
from sinks.reference import make_missing
from sinks.strike import Cut, publish

_DATABASE = "benchmark_strike"
_RUNS = 3
_KNOWN_AT = datetime(DAY.year, DAY.month, DAY.day, 14, tzinfo=UTC)


def run(client: Client, schools: int) -> list[float]:
    """Fill the client's database and publish; how many seconds each took. Raises AssertionError: not the figures."""
    for name in ("school", "version", "codes", "roll", "counts"):
        fill(client, name, schools)
    fill(client, "history", schools, later=False)
    taken = [_publish(client, schools) for _ in range(_RUNS)]
    fill(client, "history", schools, later=True)
    taken.append(_publish(client, schools))
    alias = "VALUES ('pupil-alias', '1', now64(3), now64(6))"
    client.command(f"INSERT INTO reference_version (kind, key, taken_at, applied_at) {alias}")
    return [*taken, _publish(client, schools)]


def fill(client: Client, name: str, schools: int, **facts: bool) -> None:
    """Fill a table of the client's database for so many schools: one of benchmarks/sql/strike_*.sql."""
    statement = (files("benchmarks") / "sql" / f"strike_{name}.sql").read_text(encoding="utf-8")
    client.command(statement, parameters={"schools": schools, "day": DAY, **facts})
    if name == "school":
        make_missing(client)


def _publish(client: Client, schools: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file, begun = Path(folder) / "strike.csv", time.perf_counter()
        publish(client, Cut(DAY, "14:00", _KNOWN_AT, by_then=True), ("region", "phase", "la"), file)
        taken = time.perf_counter() - begun
        with file.open(encoding="utf-8", newline="") as text:
            nation = next(row for row in csv.DictReader(text) if row["school_type"] == "Total")
    shut, partly = (schools + 4) // 5, (schools + 3) // 5
    found = tuple(int(nation[name]) for name in ("open", "restricted", "closed"))
    assert found == (schools - shut - partly, partly, shut), found
    return taken


@contextmanager
def database(settings: Settings, name: str) -> Iterator[Client]:
    """A client in a migrated database of that name, which is dropped in the end."""
    server = connect(settings.clickhouse)
    migrate(server, name)
    try:
        client = connect(settings.clickhouse, name)
        yield client
        client.close()
    finally:
        server.command(f"DROP DATABASE IF EXISTS {name} SYNC", use_database=False)
        server.close()


def main() -> None:
    """Fill, measure, print, drop."""
    schools = int(sys.argv[1]) if len(sys.argv) > 1 else 24_500
    with database(Settings.load(), _DATABASE) as client:
        taken = run(client, schools)
    *as_it_stands, marks_later, all_later = (f"{seconds:.1f} s" for seconds in taken)
    print(
        f"{schools:,} schools: {', '.join(as_it_stands)}; marks of {(schools + 19) // 20:,} schools came later:"
        f" {marks_later}; reference data did: {all_later}"
    )


if __name__ == "__main__":
    main()

"""What questions about one school cost while analysts ask about the nation: `python -m benchmarks.analysts [SCHOOLS]`.

On the stack of the settings, in a database of its own, filled by SQL with schools and the counts of a day as
`benchmarks.strike` has them. One asks for a school's day again and again, of another school each time: alone, while
three analysts put national questions without a pause as the user `analyst`, who waits and has one thread, and while the
same three do so as `reader`, who does not. Prints JSON: milliseconds of the school's question, and of the analysts'.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import clickhouse_connect
import numpy as np
from clickhouse_connect.driver.client import Client

from benchmarks.strike import database, fill
from connectors.estate.strike_nation import DAY
from rollcall.settings import Settings

__all__ = ["AUTHORITY", "NATION", "SCHOOL", "figures"]

_DATABASE = "benchmark_analysts"
_ASKED, _ANALYSTS = 150, 3
#: The day of one school by session and code.
SCHOOL = (
    "SELECT session, canonical_code, sum(marks) FROM session_counts"
    " WHERE urn = {urn:UInt32} AND session_date = {day:Date} GROUP BY ALL ORDER BY ALL"
)
#: The day of the nation by authority and phase.
NATION = (
    "SELECT la_code, phase, sum(attendance) / sum(possible), sum(unauthorised), uniqExact(urn) FROM school_days"
    " WHERE session_date = {day:Date} GROUP BY ALL"
)
#: The day of one authority by phase.
AUTHORITY = (
    "SELECT phase, sum(attendance) / sum(possible), sum(unauthorised), uniqExact(urn) FROM school_days"
    " WHERE session_date = {day:Date} AND la_code = {la:String} GROUP BY ALL"
)


def run(settings: Settings, schools: int) -> dict[str, Any]:
    """Fill the database and ask; medians and 95th percentiles in milliseconds, by who asks beside."""
    with database(settings, _DATABASE) as client:
        for name in ("school", "version", "codes", "counts"):
            fill(client, name, schools)
        for table in ("school_span", "school_session"):  # what is merged beside the first questions is the filling's
            client.command(f"OPTIMIZE TABLE {table} FINAL")
        found: dict[str, Any] = {"schools": schools, "alone": {"school": figures(_ask(client, schools))}}
        for user in ("analyst", "reader"):
            nation: list[float] = []
            with _beside(settings, user, nation):
                found[f"beside {_ANALYSTS} as {user}"] = {
                    "school": figures(_ask(client, schools)),
                    "nation": figures(nation),
                }
    return found


def _ask(client: Client, schools: int) -> list[float]:
    draw, taken = Random(1), []
    for _ in range(_ASKED):
        begun = time.perf_counter()
        asked = {"urn": 100_000 + draw.randrange(schools), "day": DAY}
        assert client.query(SCHOOL, parameters=asked).result_rows
        taken.append(time.perf_counter() - begun)
    return taken


@contextmanager
def _beside(settings: Settings, user: str, taken: list[float]) -> Iterator[None]:
    over = threading.Event()
    options = {**settings.clickhouse.client_options(), "username": user, "database": _DATABASE}

    def ask() -> None:
        with clickhouse_connect.get_client(**options) as client:
            while not over.is_set():
                begun = time.perf_counter()
                assert client.query(NATION, parameters={"day": DAY}).result_rows
                taken.append(time.perf_counter() - begun)

    analysts = [threading.Thread(target=ask) for _ in range(_ANALYSTS)]
    for analyst in analysts:
        analyst.start()
    while not taken:  # the first answers of all are theirs
        time.sleep(0.01)
    try:
        yield
    finally:
        over.set()
        for analyst in analysts:
            analyst.join()


def figures(taken: list[float]) -> dict[str, float]:
    """How many there were, their median and 95th percentile in milliseconds, of seconds."""
    p50, p95 = (round(1e3 * float(value), 1) for value in np.percentile(taken, (50, 95)))
    return {"asked": len(taken), "p50_ms": p50, "p95_ms": p95}


if __name__ == "__main__":
    print(json.dumps(run(Settings.load(), int(sys.argv[1]) if len(sys.argv) > 1 else 24_500), indent=2))

"""What the engine itself could do: INSERT SELECT of a run's rows into the same table and views, the same derive."""

from __future__ import annotations

import time

from clickhouse_connect.driver.client import Client

from benchmarks.answer_key import load_sql
from sinks.derive import derive

__all__ = ["engine_seconds"]

#: The cores of the machine the targets are set for; and blocks are not merged in themselves on insert, which costs more
#: than the insert and finds nothing to merge.
_SETTINGS = {"max_threads": 2, "max_insert_threads": 2, "async_insert": 0, "optimize_on_insert": 0}


def engine_seconds(client: Client, source: str) -> float:
    """Seconds of the engine for the history of database ``source``; ``client`` works in a fresh one with its code map.

    One statement moves all rows (blocks of about a million), one derive follows for all of them: nothing a pipeline
    could do has less to pay. Rows are read in order of arrival, from a copy that is made before the clock starts.
    """
    client.command(load_sql("arrival"), parameters={"source": source})
    batches = [row[0] for row in client.query(load_sql("batches")).result_rows]
    started = time.perf_counter()
    client.command(load_sql("insert_arrival"), settings=_SETTINGS)
    derive(client, batches)
    seconds = time.perf_counter() - started
    client.command("DROP TABLE arrival SYNC")
    return seconds

"""docs/analysts.md: its queries and programs give what it shows, and its table says of every view what a row is.

If not: ROLLCALL_WRITE=1 pytest tests/docs/test_analysts.py writes the results anew; read the difference.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest

from tests.databases import Databases
from tests.docs.analysts import PAGE, blocks, load, run

WRITE = "ROLLCALL_WRITE" in os.environ
#: One line of the table of views: | `view` | a row is | `columns` | joins |
_VIEW = re.compile(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", re.M)


@pytest.fixture(scope="module")
def database(databases: Databases, stack: Any) -> Iterator[str]:
    with databases.one(failed=lambda: False) as name:
        with clickhouse_connect.get_client(
            host=stack.clickhouse_host, port=stack.clickhouse_port, database=name
        ) as client:
            load(client)
        yield name


@pytest.fixture(scope="module")
def analyst(database: str, stack: Any) -> Iterator[Any]:
    """Who may read views, and nothing else."""
    client = clickhouse_connect.get_client(
        host=stack.clickhouse_host, port=stack.clickhouse_port, database=database, username="analyst"
    )
    yield client
    client.close()


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.text.strip().splitlines()[-1][:40])
def test_what_the_page_shows_is_what_comes(block: Any, analyst: Any, database: str, stack: Any) -> None:
    came = run(block, analyst, (stack.clickhouse_host, stack.clickhouse_port, database))
    if WRITE:
        fence = "```"
        ran, text = f"{fence}{block.language}\n{block.text}{fence}\n\n{fence}\n", PAGE.read_text(encoding="utf-8")
        assert f"{ran}{block.shown}{fence}\n" in text
        PAGE.write_text(text.replace(f"{ran}{block.shown}{fence}\n", f"{ran}{came}{fence}\n"), encoding="utf-8")
        return
    assert came == block.shown


def test_the_page_runs_queries_and_programs() -> None:
    languages = [block.language for block in blocks()]
    assert languages.count("sql") >= 8
    assert languages.count("python") >= 2


def test_the_table_says_of_every_view_what_makes_a_row(analyst: Any, database: str, stack: Any) -> None:
    """Every view is in it, and the columns that it calls the key are others in every row of the estate."""
    said = dict(_VIEW.findall(PAGE.read_text(encoding="utf-8")))
    with clickhouse_connect.get_client(host=stack.clickhouse_host, port=stack.clickhouse_port) as client:
        asked = "SELECT name FROM system.tables WHERE database = {d:String} AND engine = 'View'"
        found = client.query(asked, parameters={"d": database}).result_rows
    assert {name for (name,) in found} == said.keys()
    for view, key in said.items():
        columns = ", ".join(re.findall(r"`(\w+)`", key))
        assert columns, view
        twice = f"SELECT {columns} FROM {view} GROUP BY {columns} HAVING count() > 1 LIMIT 1"
        assert analyst.query(twice).result_rows == [], view

"""docs/schema.md, written from the comments of the tables and views themselves.

    python -m sinks.schema_page docs/schema.md

makes a scratch database from the migrations, reads it back and writes the page; a test says when the page is behind.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from clickhouse_connect.driver.client import Client

from rollcall.settings import Settings
from sinks.migrate import committed, migrate, server
from sinks.statements import load

__all__ = ["page"]

_CREATED = re.compile(r"CREATE (TABLE|VIEW|MATERIALIZED VIEW) (\w+)")
_INTRODUCTION = """# What stands in ClickHouse

Written by `python -m sinks.schema_page docs/schema.md` from the comments in `sinks/migrations`; do not edit by hand.

**Views** are for analysts: right at any moment without `FINAL`, with the school as it was on the session date and with
categories applied. A server grants them to the role `rollcall_analyst`; the embedded stack has a user `analyst` who may
read them and nothing else. Ask the views on what is missing or odd for one `session_date` at a time.

**Tables** are for Rollcall itself. Most keep several versions of a row until a merge, so a count over them needs
`FINAL`; they are not granted to analysts.
"""


def page(client: Client) -> str:
    """The page, of the database the client works in. Tables and views come in the order in which they are made."""
    made = [found.groups() for one in committed() for found in _CREATED.finditer(one.text)]
    about = {
        name: (comment, engine, key) for name, comment, engine, key in client.query(load("page_tables")).result_rows
    }
    columns: dict[str, list[tuple[str, str, str]]] = {}
    for table, name, kind, comment in client.query(load("page_columns")).result_rows:
        columns.setdefault(table, []).append((name, kind, comment))
    lines = [_INTRODUCTION, "## Views\n"]
    for kind, name in made:
        if kind == "VIEW":
            lines += _section(name, about[name][0], columns[name])
    lines.append("## Tables\n")
    for kind, name in made:
        if kind == "TABLE":
            comment, engine, key = about[name]
            lines += _section(name, f"{comment}. `{engine}`, ordered by `{key}`", columns[name])
    return "\n".join(lines)


def _section(name: str, about: str, columns: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{about}.\n"
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column, kind, comment in columns:
        yield f"| `{column}` | `{kind}` | {comment.replace('|', chr(92) + '|')} |"
    yield ""


def _main(target: str) -> None:
    """Write the page of a scratch database to a file."""
    settings = Settings.load()
    scratch = f"schema_page_{uuid4().hex[:8]}"
    with server(settings.clickhouse) as client:
        try:
            migrate(client, scratch)
            Path(target).write_text(page(client), encoding="utf-8")
        finally:
            client.command(f"DROP DATABASE IF EXISTS {scratch} SYNC", use_database=False)


if __name__ == "__main__":
    _main(sys.argv[1])

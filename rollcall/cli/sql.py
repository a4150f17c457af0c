"""`rollcall sql`: ask ClickHouse, without changing anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["register"]

#: Rows a person is shown; `--json` and `--limit 0` show all.
_SHOWN = 100


def register(app: typer.Typer) -> None:
    """Add `rollcall sql`."""
    app.command(
        "sql",
        epilog="Examples: [bold]rollcall sql \"SELECT * FROM school_days WHERE session_date = '2025-09-10'\"[/bold]; "
        '[bold]rollcall sql "SHOW TABLES"[/bold]. What the views hold: docs/schema.md.',
    )(sql)


def sql(
    query: Annotated[str, typer.Argument(help="One SQL query.")],
    limit: Annotated[int, typer.Option(help="Rows to print; 0 prints all.", min=0)] = _SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Print all rows as a JSON array of objects.")] = False,
) -> None:
    """Run one query against the database and print the answer. Read-only: ClickHouse refuses anything that writes."""
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.read_only import ask

    client = connect(Settings.load().clickhouse)
    try:
        names, rows = ask(client, query)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2, default=_printable))
    else:
        _print(names, rows, limit)


def _print(names: Sequence[str], rows: Sequence[Sequence[Any]], limit: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = rows[:limit] if limit else rows
    table = Table(box=box.SIMPLE_HEAD)
    for place, name in enumerate(names):
        number = bool(shown) and all(isinstance(row[place], int | float) for row in shown)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in shown:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)
    if len(shown) < len(rows):
        typer.echo(f"{len(shown):,} of {len(rows):,} rows; --limit 0 shows all")


def _printable(value: Any) -> str:
    """Dates and instants in ISO form, bytes as hex, the rest as text."""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return value.hex() if isinstance(value, bytes) else str(value)

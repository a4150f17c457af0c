"""`rollcall verify`: is the current state what the history says?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["register"]

#: Rows of the table that a person is shown; `--json` has all.
_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add `rollcall verify`."""
    app.command(
        "verify",
        epilog="Examples: [bold]rollcall verify[/bold] compares every day; "
        "[bold]rollcall verify --date 2025-09-10[/bold] one; "
        "[bold]rollcall verify --repair[/bold] heals what is behind.",
    )(verify)


def verify(
    date: Annotated[str | None, typer.Option(help="Only this session date.", metavar="YYYY-MM-DD")] = None,
    repaired: Annotated[
        bool, typer.Option("--repair", help="Make what differs again from the history, then compare again.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Rebuild the current marks and counts from the history, with the expression that made them, and compare.

    Changes nothing without --repair. Exit code 1 when something differs, with the table, school and session."""
    from datetime import date as calendar_date

    from rich import box
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from rollcall.cli import _dates
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.verify import TABLES, repair
    from sinks.verify import verify as compare

    day = None if date is None else _dates.day("--date", date)
    client = connect(Settings.load().clickhouse)
    errors = Console(stderr=True)
    try:
        with Progress(console=errors, transient=True, disable=as_json or not errors.is_terminal) as progress:
            task = progress.add_task("comparing", total=None)

            def show(one: calendar_date, done: int, days: int) -> None:
                progress.update(task, total=days, completed=done, description=f"comparing {one}")

            found = compare(client, day, on_day=show)
            if repaired and not found.equal:
                repair(client, found.differences)
                found = compare(client, day, on_day=show)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        compared = ", ".join(f"{found.compared[table]:,} rows of {table}" for table in TABLES)
        typer.echo(f"{'equal' if found.equal else 'NOT equal'}: {compared}")
        if not found.equal:
            table = Table("Table", "Kind", "Date", "School", "Session", "Rows", box=box.SIMPLE_HEAD)
            for one in found.differences[:_SHOWN]:
                table.add_row(one.table, one.kind, str(one.session_date), str(one.urn), one.session, f"{one.rows:,}")
            Console().print(table)
            if len(found.differences) > _SHOWN:
                typer.echo(f"and {len(found.differences) - _SHOWN:,} more: --json has them all")
    if not found.equal:
        raise typer.Exit(1)

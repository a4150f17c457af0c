"""`rollcall migrate`: bring ClickHouse to the shape this version expects."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall migrate`."""
    app.command(
        "migrate",
        epilog="Examples: [bold]rollcall migrate --dry-run[/bold] shows what would be applied; "
        "[bold]rollcall migrate[/bold] applies it, and does nothing when there is nothing to do.",
    )(migrate)


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be applied; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Create the database and apply the numbered migrations that it has not seen. Safe to run again, and by several
    processes at once. A migration that was changed after it was applied is an error."""
    from rollcall.settings import Settings
    from sinks.migrate import migrate as apply
    from sinks.migrate import pending, server

    settings = Settings.load()
    database = settings.clickhouse.database
    with server(settings.clickhouse) as client:
        if dry_run:
            names: tuple[str, ...] = tuple(one.name for one in pending(client, database))
            skipped: tuple[str, ...] = ()
        else:
            outcome = apply(client, database)
            names, skipped = outcome.applied, outcome.skipped
    if as_json:
        key = "pending" if dry_run else "applied"
        typer.echo(json.dumps({"database": database, key: names, "skipped": skipped}))
        return
    for name in names:
        typer.echo(f"{'would apply' if dry_run else 'applied'} {name}")
    for name in skipped:
        typer.echo(f"left out {name}: this ClickHouse has no access management")
    if not names:
        typer.echo(f"database {database} is up to date")

"""`rollcall export`: every table as Parquet files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall export`."""
    app.command(
        "export",
        epilog="Examples: [bold]rollcall export --to /backup/2026-07[/bold] writes all there is; "
        "[bold]--from 2025-09-01 --until 2026-07-31[/bold] the marks of a year; [bold]--what history --what reference"
        "[/bold] two kinds only. Killed half way, the same command goes on.",
    )(export)


def export(
    to: Annotated[Path, typer.Option(help="Folder to write to: empty, not there yet, or an export to go on with.")],
    first: Annotated[
        str | None, typer.Option("--from", help="First session date; all when not said.", metavar="YYYY-MM-DD")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--until", help="Last session date; all when not said.", metavar="YYYY-MM-DD")
    ] = None,
    what: Annotated[
        list[str] | None,
        typer.Option(
            help="history, current, counts, quarantine, archive, reference or ledger; repeat for more. All when not "
            "said."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write every table as Parquet, by session date, by month or whole, with a manifest of rows, SHA-256 and columns.

    The files hold what the tables hold: pupils by number, references in the crosswalk, bytes in quarantine and archive;
    no names, because there are none. What has no session date is written whole, whatever --from and --until say."""
    from datetime import date

    from rollcall.cli import _dates
    from rollcall.domain.clock import OPEN_END
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.exporting import WHATS, Export

    settings = Settings.load().clickhouse
    begin = date(1970, 1, 1) if first is None else _dates.day("--from", first)
    end = OPEN_END if last is None else _dates.day("--until", last)
    asked = Export(to, settings.database, begin, end, what or WHATS)
    client = connect(settings)
    files = 0
    try:
        for one in asked.run(client):
            files += 1
            typer.echo(f"{one.path}  {one.rows:,} rows", err=True)
    finally:
        client.close()
    manifest = asked.finished or {}
    total = sum(table["rows"] for table in manifest["tables"].values())
    if as_json:
        typer.echo(json.dumps({"folder": str(to), "as_at": manifest["as_at"], "rows": total, "files_written": files}))
    else:
        typer.echo(f"{to}: {total:,} rows of {len(manifest['tables'])} tables as at {manifest['as_at']}, whole")

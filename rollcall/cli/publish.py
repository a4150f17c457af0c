"""`rollcall publish`: attendance statistics as the Department lays them out, and comparing two such files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]

#: Differences that a person is shown; `--json` has all.
_SHOWN = 20

Authorities = Annotated[
    list[str] | None, typer.Option("--la", help="Three-digit code of an authority; may be given several times.")
]


def register(app: typer.Typer) -> None:
    """Add `rollcall publish`."""
    group = typer.Typer(no_args_is_help=True, help="Attendance statistics as files, in the Department's own layout.")
    group.command(
        "attendance",
        epilog="Example: [bold]rollcall publish attendance --from 2025-09-08 --to 2025-09-12 --la 894 --out week.csv"
        "[/bold]. Beside the file stands what it was made of: week.csv.manifest.json.",
    )(attendance)
    group.command("compare", epilog="Example: [bold]rollcall publish compare published.csv week.csv --la 894[/bold].")(
        compare
    )
    app.add_typer(group, name="publish")


def attendance(
    first: Annotated[str, typer.Option("--from", help="First session date.", metavar="YYYY-MM-DD")],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    last: Annotated[str | None, typer.Option("--to", help="Last session date; the first when not given.")] = None,
    la: Authorities = None,
    layout: Annotated[str, typer.Option(help="dashboard-2025.")] = "dashboard-2025",
    suppression: Annotated[
        str,
        typer.Option(
            help="dfe: withhold authorities with one school, as published; safe: also what subtraction would give "
            "back, and small counts of sensitive codes; none."
        ),
    ] = "dfe",
) -> None:
    """Write daily, weekly and year-to-date rows of schools in the headline, and a manifest that says what of.

    Regions and the nation are in it unless authorities are named. Basis: statutory."""
    from rollcall.cli import _dates
    from rollcall.domain.layouts import LAYOUTS
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.publishing import Asked, publish
    from sinks.suppression import SUPPRESSIONS

    if layout not in LAYOUTS:
        raise UsageError(f"no layout {layout}; there is {', '.join(LAYOUTS)}")
    if suppression not in SUPPRESSIONS:
        raise UsageError(f"no suppression {suppression}; there is {', '.join(SUPPRESSIONS)}")
    since, until = _dates.day("--from", first), _dates.day("--to", last or first)
    if until < since:
        raise UsageError(f"--to {until} is before --from {since}")
    client = connect(Settings.load().clickhouse)
    try:
        manifest = publish(client, LAYOUTS[layout], Asked(since, until, tuple(la or ()), suppression), out)
    finally:
        client.close()
    typer.echo(f"{manifest['rows']:,} rows in {out}, of which {manifest['rows_withheld']:,} are withheld in part")


def compare(
    file: Annotated[Path, typer.Argument(help="What was published.")],
    ours: Annotated[Path, typer.Argument(help="What is to be the same.")],
    la: Authorities = None,
    breakdown: Annotated[
        list[str] | None, typer.Option(help="Daily, Weekly or YTD; may be given several times.")
    ] = None,
    date: Annotated[list[str] | None, typer.Option(help="Only rows of this date.", metavar="YYYY-MM-DD")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Compare two files of one layout cell by cell. Exit code 1 when a cell or a row differs, or none was compared."""
    from rollcall.cli import _dates
    from rollcall.domain.published_files import compare as compared
    from rollcall.domain.published_files import read

    dates = [f"{_dates.day('--date', one):%d/%m/%Y}" for one in date or ()]
    found = compared(read(file), read(ours), las=la or (), breakdowns=breakdown or (), dates=dates)
    if as_json:
        differences = [one._asdict() for one in found.differences]
        typer.echo(json.dumps({"rows": found.rows, "cells": found.cells, "differences": differences}, indent=2))
    else:
        typer.echo(f"{found.rows:,} rows, {found.cells:,} numbers compared, {len(found.differences):,} differ")
        for one in found.differences[:_SHOWN]:
            where = " ".join(filter(None, one.row))
            typer.echo(f"  {where}: {one.column or 'row'}: theirs {one.theirs}, ours {one.ours}")
    if not found.equal:
        raise typer.Exit(1)

"""`rollcall publish`: attendance statistics as the Department lays them out, and comparing two such files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.cli._as_at import AsAt

if TYPE_CHECKING:
    from rollcall.domain.published_files import Comparison

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
    group.command(
        "rehearse",
        epilog="Examples: [bold]rollcall publish rehearse week37.csv --la 894[/bold] in a minute; [bold]rollcall "
        "publish rehearse week37.csv --date 2025-09-10[/bold]: a national day.",
    )(rehearse)
    group.command(
        "strike",
        epilog="Examples: [bold]rollcall publish strike --snapshot strike-2023-02-01 --out 1300.csv[/bold], and an "
        "hour later [bold]rollcall publish strike --snapshot strike-2023-02-01 --cut 14:00 --since 1300.csv "
        "--status declared.csv --out 1400.csv[/bold].",
    )(strike)
    app.add_typer(group, name="publish")


def attendance(
    first: Annotated[str, typer.Option("--from", help="First session date.", metavar="YYYY-MM-DD")],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    last: Annotated[str | None, typer.Option("--to", help="Last session date; the first when not given.")] = None,
    la: Authorities = None,
    layout: Annotated[
        str, typer.Option(help="dashboard-2025, or ees-2024 (days), ees-2024-weekly, ees-2024-ytd.")
    ] = "dashboard-2025",
    suppression: Annotated[
        str,
        typer.Option(
            help="dfe: withhold authorities with one school, as published; safe: also what subtraction would give "
            "back, and small counts of sensitive codes; none."
        ),
    ] = "dfe",
    as_at: AsAt = None,
) -> None:
    """Write daily, weekly and year-to-date rows of schools in the headline, and a manifest that says what of.

    In the layouts of 2024 days, weeks and the year to date are files of their own. Regions and the nation are in it
    unless authorities are named. Basis: statutory."""
    from rollcall.cli import _dates
    from rollcall.cli._as_at import asked
    from rollcall.cli._client import answer
    from rollcall.domain.layouts import LAYOUTS
    from rollcall.errors import UsageError
    from sinks.absence import schools_of
    from sinks.publishing import Asked, publish, span, statements
    from sinks.suppression import SUPPRESSIONS

    if layout not in LAYOUTS:
        raise UsageError(f"no layout {layout}; there is {', '.join(LAYOUTS)}")
    if suppression not in SUPPRESSIONS:
        raise UsageError(f"no suppression {suppression}; there is {', '.join(SUPPRESSIONS)}")
    since, until = _dates.span(first, last or first)
    at = None if as_at is None else _dates.instant("--as-at", as_at)
    wanted = Asked(since, until, tuple(la or ()), suppression)
    urns = answer(lambda client: schools_of(client, wanted.las)) if wanted.las and at is not None else ()
    with asked(at, *span(wanted), urns, statements()) as client:
        manifest = publish(client, LAYOUTS[layout], wanted, out, at)
    typer.echo(f"{manifest['rows']:,} rows in {out}, of which {manifest['rows_withheld']:,} are withheld in part")


def strike(
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    snapshot: Annotated[str | None, typer.Option(help="The snapshot of the day.")] = None,
    date: Annotated[
        str | None,
        typer.Option(help="A session date instead, as it stands now: no cut, no coverage.", metavar="YYYY-MM-DD"),
    ] = None,
    cut: Annotated[str, typer.Option(help="The cut, or last: the newest one begun.", metavar="HH:MM")] = "last",
    by: Annotated[
        list[str] | None,
        typer.Option(help="region, phase or la; may be given several times.", show_default="region and phase"),
    ] = None,
    status: Annotated[
        Path | None,
        typer.Option(help="Statuses that schools or authorities declare: CSV of urn, status, declared_by, role, at."),
    ] = None,
    since: Annotated[
        Path | None, typer.Option(help="The file of an earlier cut: what has changed since is counted.")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
) -> None:
    """Write which schools are open, restricted, closed, unknown or not expected, as their registers tell by a cut.

    Counts, and percentages of schools known, of those that responded and of all; beside the file stand its schools (not
    for publication) and a manifest. What is declared fills unknown only, and is counted apart. A cut comes out as it
    was known at its instant, whatever came later. Leaves with 1 when something of the cut is still to be taken in: the
    figures may change then. Basis: statutory."""
    from connectors.snapshots.record import load
    from rollcall.cli import _dates
    from rollcall.cli._strike import cut_of, day_of, line
    from rollcall.domain.published_files import read
    from rollcall.domain.strike import read_declared
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.strike import GROUPINGS, publish, read_statuses

    if (snapshot is None) == (date is None):
        raise UsageError("--snapshot or --date is wanted, one of them")
    grouped = by or ["region", "phase"]
    if wrong := set(grouped) - set(GROUPINGS):
        raise UsageError(f"no --by {min(wrong)}; there is {', '.join(GROUPINGS)}")
    settings = Settings.load(home=home) if home is not None else Settings.load()
    day = _dates.day("--date", date) if date is not None else None
    declared = [] if status is None else read_declared(status)
    earlier = None if since is None else read_statuses(since)
    client = connect(settings.clickhouse)
    try:
        if day is not None:
            told = day_of(day, declared, earlier)
        else:
            told = cut_of(client, load(settings, snapshot or ""), cut, declared, earlier)
        manifest = publish(client, told, grouped, out)
    finally:
        client.close()
    nation = next(row for row in read(out, ("school_type",)) if row["school_type"] == "Total")
    typer.echo(line(manifest, nation))
    for to_come in manifest["waiting"]:
        typer.secho(to_come, fg=typer.colors.RED)
    if manifest["waiting"]:
        raise typer.Exit(1)


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
    from rollcall.domain import published_files

    days = published_files.as_written(_dates.day("--date", one) for one in date or ())
    theirs, made = published_files.read(file), published_files.read(ours)
    found = published_files.compare(theirs, made, las=la or (), breakdowns=breakdown or (), dates=days)
    if as_json:
        differences = [one._asdict() for one in found.differences]
        typer.echo(json.dumps({"rows": found.rows, "cells": found.cells, "differences": differences}, indent=2))
    else:
        typer.echo(f"{found.rows:,} rows, {found.cells:,} numbers compared, {len(found.differences):,} differ")
        _show(found)
    if not found.equal:
        raise typer.Exit(1)


def rehearse(
    file: Annotated[Path, typer.Argument(help="A published file of attendance in the Department's layout.")],
    date: Annotated[
        list[str] | None, typer.Option(help="Only this day; may be given several times.", metavar="YYYY-MM-DD")
    ] = None,
    la: Authorities = None,
    home: Annotated[
        Path | None, typer.Option(help="Folder for the stack, kept afterwards.", show_default="one that is removed")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Meet a published file on a stack of its own: a nation invented to it goes through Kafka, worker and derive, is
    published again and compared cell by cell.

    With --date only the Daily rows of those dates. Exit code 1 when a cell differs or a mark is not accounted for."""
    import shutil
    import tempfile

    from rich.console import Console

    from rollcall.cli import _dates
    from rollcall.cli.scenarios.published import Plan, rehearse_on
    from rollcall.cli.scenarios.telling import Bars

    folder = home or Path(tempfile.mkdtemp(prefix="rollcall-published-"))
    plan = Plan(folder, file, [_dates.day("--date", one) for one in date or ()], tuple(la or ()))
    with Bars(Console(stderr=True), quiet=as_json) as bars:
        met = rehearse_on(plan, bars)
    if home is None and met.equal:
        shutil.rmtree(folder)
    if as_json:
        typer.echo(json.dumps(met.as_json()))
    else:
        sent = met.sent
        typer.echo(f"{sent.schools:,} schools, {sent.pupils:,} pupils, {sent.marks:,} marks that count")
        _show(met.comparison)
        typer.echo(f"reconcile: gap {met.gap}")
        if not met.equal:
            typer.echo(f"data and logs are kept in {folder}")
    if not met.equal:
        raise typer.Exit(1)


def _show(found: Comparison) -> None:
    typer.echo(f"{found.rows:,} rows, {found.cells:,} numbers compared, {len(found.differences):,} differ")
    for one in found.differences[:_SHOWN]:
        where = " ".join(filter(None, one.row))
        typer.echo(f"  {where}: {one.column or 'row'}: theirs {one.theirs}, ours {one.ours}")

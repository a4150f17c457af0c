"""`rollcall backfill`: bring the past of every source's schools in, beside the pulls of today."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connectors.backfill import Brought, Span

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall backfill`."""
    app.command(
        "backfill",
        epilog="Examples: [bold]rollcall backfill --from 2025-09-01[/bold] the year so far; "
        "[bold]rollcall backfill --from 2025-09-01 --until 2025-10-24 --source wonde --chunk 7d[/bold]; "
        "[bold]rollcall backfill --from 2025-11-03 --until 2025-11-07 --again[/bold] a week that was read before.",
    )(backfill)


def backfill(
    from_: Annotated[datetime, typer.Option("--from", help="First session date.", formats=["%Y-%m-%d"])],
    until: Annotated[
        datetime | None,
        typer.Option(help="Last session date.", formats=["%Y-%m-%d"], show_default="yesterday"),
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; repeat for more.")] = None,
    chunk: Annotated[str, typer.Option(help="Days read at a time.", metavar="DAYS")] = "14d",
    again: Annotated[bool, typer.Option("--again", help="Also what an earlier run has done.")] = False,
    today: Annotated[
        datetime | None, typer.Option(help="The day it is, for a day that is played.", formats=["%Y-%m-%d"])
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Bring in the marks of past sessions, window by window, with a quarter of each source's rate limit.

    It may run beside [bold]rollcall pull --every[/bold], which leaves it that quarter, and moves no cursor. Killed or
    stopped, the same command goes on where it was. Leaves with 1 when a school is not brought in whole.
    """
    import asyncio

    from connectors import backfill as work
    from rollcall import logging
    from rollcall.domain.clock import london_date, now
    from rollcall.errors import UsageError
    from rollcall.settings import Settings

    settings = Settings.load(home=home) if home is not None else Settings.load()
    logging.configure(settings.observability.log_level)
    day = london_date(now()) if today is None else today.date()
    span = work.Span(from_.date(), day - timedelta(days=1) if until is None else until.date(), _days(chunk))
    if span.first_day > span.last_day:
        raise UsageError("--from is later than --until (or than yesterday)")
    try:
        found = asyncio.run(_shown(settings, span, source or (), again, day, quiet=as_json))
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(1) from None
    if as_json:
        document = {
            "from": span.first_day.isoformat(),
            "until": span.last_day.isoformat(),
            "chunk_days": span.chunk_days,
            "schools": [
                {"source" if name == "name" else name: of for name, of in asdict(one).items()} for one in found
            ],
        }
        typer.echo(json.dumps(document, indent=1))
    else:
        _print(found)
    if any(one.outcome != "pulled" for one in found):
        raise typer.Exit(1)


async def _shown(
    settings: object, span: Span, names: list[str] | tuple[()], again: bool, day: date, *, quiet: bool
) -> list[Brought]:
    """The work, with a bar that counts windows."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from connectors import backfill as work
    from rollcall.settings import Settings

    assert isinstance(settings, Settings)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    total = marks = 0
    seen: dict[tuple[str, str | None], int] = {}
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        bar = progress.add_task("Windows", total=None)

        def told(school: Brought, windows: int) -> None:
            nonlocal total, marks
            place = (school.name, school.school)
            total += 0 if place in seen else school.windows
            marks += school.marks - seen.get(place, 0)
            seen[place] = school.marks
            progress.update(bar, total=total, advance=windows, description=f"Windows ({marks:,} marks)")

        return await work.backfill(settings, span, names=names, again=again, today=day, told=told)


def _days(chunk: str) -> int:
    """14d or 14, in days. Raises UsageError."""
    from rollcall.errors import UsageError

    number = chunk.strip().removesuffix("d")
    if not number.isdecimal() or not 1 <= int(number) <= 366:
        raise UsageError(f"--chunk {chunk}: 1d to 366d is wanted")
    return int(number)


def _print(found: list[Brought]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("Source", "School", "URN", "Windows", "Before", "Now", "Marks", "Outcome", "Why", box=box.SIMPLE_HEAD)
    for one in found:
        cells = (one.name, one.school or "", one.urn or "", one.windows, one.before, one.done, one.marks)
        table.add_row(*(str(cell) for cell in (*cells, one.outcome, one.why)))
    Console().print(table)

"""`rollcall report school`: a school's page, on the terminal, as one HTML file, or as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.cli._as_at import AsAt
from rollcall.errors import UsageError

if TYPE_CHECKING:
    from rollcall.cli._school_sections import Page

__all__ = ["EPILOG", "school"]

EPILOG = (
    "Examples: [bold]rollcall report school 100001 --date 2025-09-10[/bold]; [bold]--html page.html[/bold] writes one "
    "file with plots, for a browser or the printer; [bold]--ask-mis[/bold] shows the MIS's own rate beside ours; "
    "[bold]--as-at '2025-09-10 18:00'[/bold] answers as known that evening."
)
#: Rows of a table that a terminal is shown; the file and the document have all.
_SHOWN = 40


def school(
    urn: Annotated[int, typer.Argument(help="URN of the school.", metavar="URN")],
    date: Annotated[
        str | None, typer.Option(help="Session date.", metavar="YYYY-MM-DD", show_default="today, or that of --as-at")
    ] = None,
    headline: Annotated[
        bool, typer.Option("--headline", help="Count only the headline's pupils, not all of the school.")
    ] = False,
    near: Annotated[
        int, typer.Option(min=1, max=40, help="Sessions of absence from a threshold that count as near it.")
    ] = 4,
    ask_mis: Annotated[
        bool, typer.Option("--ask-mis", help="Ask the school's MIS for its own counts, and show them beside ours.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write the page to this file.", metavar="FILE")] = None,
    as_at: AsAt = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """A school's page: the day, registers not taken, N still open, conflicts, late amendments, weeks, term, thresholds.

    The figures are those of `rollcall report day` and `rollcall ask` for this school, on the statutory basis. Pupils at
    or near persistent (a tenth) and severe absence (half) are listed by pupil_id; nobody is named. The HTML file needs
    nothing from elsewhere and may be read by its owner only."""
    if html is not None and not html.parent.is_dir():
        raise UsageError(f"--html {html} cannot be written: there is no folder {html.parent}")
    page = _page(urn, date, headline, near, ask_mis, as_at)
    if html is not None:
        _write(page, html)
    if as_json:
        typer.echo(json.dumps(page.as_json(), default=str, indent=2))
    elif html is None:
        _show(page)
    else:
        typer.echo(f"{html}: {page.title}")


def _page(urn: int, date: str | None, headline: bool, near: int, ask_mis: bool, as_at: str | None) -> Page:
    from rollcall.cli import _dates
    from rollcall.cli._as_at import asked
    from rollcall.cli._mis_rates import ask_mis as mis
    from rollcall.cli._school_sections import Page
    from rollcall.domain.clock import london_date, now
    from rollcall.settings import Settings
    from sinks.school_report import school_report, span, statements

    if ask_mis and as_at is not None:
        raise UsageError("--ask-mis asks what the MIS says now: leave --as-at out")
    at = None if as_at is None else _dates.instant("--as-at", as_at)
    day = london_date(at or now()) if date is None else _dates.day("--date", date)
    with asked(at, *span(day), urns=(urn,), asks=statements()) as client:
        report = school_report(client, urn, day, headline, near, at)
        return Page(report, mis(Settings.load(), client, urn, day) if ask_mis else None)


def _write(page: Page, file: Path) -> None:
    from rollcall.cli._school_html import render
    from rollcall.files import write_durably

    try:
        write_durably(file, render(page))
    except OSError as error:
        raise UsageError(f"--html {file} cannot be written: {error.strerror}") from None


def _show(page: Page) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(Text(page.title, style="bold"))
    for line in page.made_by:
        console.print(Text(line, style="dim"))
    for section in page.sections:
        console.print(Text(f"\n{section.title}", style="bold"))
        for line in section.says:
            console.print(Text(line))
        if not section.rows:
            continue
        # Text and not str: what a school calls its groups is no markup.
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        for heading, numeric in section.columns:
            table.add_column(Text(heading), justify="right" if numeric else "left")
        for row in section.rows[:_SHOWN]:
            table.add_row(*(Text(cell) for cell in row))
        console.width = max(console.width, 120)
        console.print(table)
        if len(section.rows) > _SHOWN:
            console.print(
                Text(f"and {len(section.rows) - _SHOWN:,} more: --html and --json have them all", style="dim")
            )

"""`rollcall report absence`: who is persistently and severely absent, counted; never who it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.cli._as_at import AsAt
from rollcall.cli._listed import rate, whole

if TYPE_CHECKING:
    from sinks.absence import AbsenceReport, Line

__all__ = ["EXAMPLES", "absence"]

EXAMPLES = (
    "Examples: [bold]rollcall report absence --from 2025-09-08 --to 2025-12-19 --by school --la 330[/bold]; "
    "[bold]--bands[/bold] shows bands of 5 per cent instead; [bold]--as-at '2026-01-05 09:00'[/bold] answers as known "
    "then."
)

From = Annotated[str, typer.Option("--from", help="First session date.", metavar="YYYY-MM-DD")]
To = Annotated[str, typer.Option("--to", help="Last session date.", metavar="YYYY-MM-DD")]
Authorities = Annotated[
    list[str] | None, typer.Option("--la", help="Three-digit code of an authority; may be given several times.")
]
Schools = Annotated[list[int] | None, typer.Option("--urn", help="School; may be given several times.", metavar="URN")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def absence(
    first: From,
    last: To,
    by: Annotated[
        str | None, typer.Option(help="A line per: trust, la, region, phase, la-phase, school, year-group.")
    ] = None,
    la: Authorities = None,
    urn: Schools = None,
    bands: Annotated[bool, typer.Option("--bands", help="Show bands of 5 per cent.")] = False,
    everybody: Annotated[
        bool, typer.Option("--all", help="Count every pupil of every school, not only the headline's.")
    ] = False,
    as_at: AsAt = None,
    as_json: AsJson = False,
) -> None:
    """Persistent and severe absence over a period: who missed a tenth, and a half, of the possible sessions, counted.

    Counted are enrolments: a child who moved is one at each school, one without a possible session is none, and bands
    need 20. Days that the Department leaves out of its series are left out. Basis: statutory. No pupil is named."""
    from rollcall.cli import _dates
    from rollcall.cli._as_at import asked as asking
    from rollcall.cli._client import answer
    from sinks.absence import Asked, absence_report, check, schools_of, statements

    since, until = _dates.span(first, last)
    check(by)
    at = None if as_at is None else _dates.instant("--as-at", as_at)
    asked = Asked(since, until, tuple(la or ()), tuple(urn or ()), not everybody)
    urns = asked.urns
    if asked.las and not urns and at is not None:
        urns = answer(lambda client: schools_of(client, asked.las))
    with asking(at, since, until, urns, statements()) as client:
        report = absence_report(client, asked, by, at)  # type: ignore[arg-type]
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _show(report, bands)


_HEADINGS = ("Schools", "Enrolments", "Possible", "Absence %", "Persistent", "%", "Severe", "%")


def _show(report: AbsenceReport, bands: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from sinks.absence import BANDS

    scope = "pupils aged 5 to 15 in state-funded primary, secondary and special schools"
    typer.echo(f"Absence from {report.asked.first} to {report.asked.last}")
    typer.echo(f"Basis: statutory. Counted: {scope if report.asked.headline else 'all pupils of all schools'}.")
    typer.echo(report.known.in_words)
    if report.left_out:
        typer.echo(f"Days left out of the series: {len(report.left_out)}.")
    if bands:
        typer.echo("Per cent of enrolments with 20 possible sessions, by per cent of sessions missed.")
    headings = ("Enrolments", *BANDS) if bands else _HEADINGS
    cells = _banded if bands else _cells
    table = Table(box=box.SIMPLE_HEAD, show_footer=bool(report.lines), padding=(0, 1), pad_edge=False)
    table.add_column((report.by or "").replace("-", " ").capitalize(), footer="Total", no_wrap=True)
    for heading, footer in zip(headings, cells(report.total), strict=True):
        table.add_column(heading, footer=footer, justify="right", no_wrap=True)
    for line in report.lines:
        label = f"{line.label} ({line.key})" if report.by in ("school", "la") else line.label
        table.add_row(label, *cells(line))
    if not report.lines:
        table.add_row("Total", *cells(report.total))
    whole(Console(), table)


def _cells(line: Line) -> tuple[str, ...]:
    return (
        f"{line.schools:,}" if line.schools == line.schools_known else f"{line.schools:,} of {line.schools_known:,}",
        f"{line.enrolments:,}",
        f"{line.possible:,}",
        rate(line.absent, line.possible),
        f"{line.persistent:,}",
        rate(line.persistent, line.enrolments),
        f"{line.severe:,}",
        rate(line.severe, line.enrolments),
    )


def _banded(line: Line) -> tuple[str, ...]:
    return (f"{line.banded:,}", *(rate(number, line.banded) for number in line.bands))

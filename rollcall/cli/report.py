"""`rollcall report`: answers in a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.cli import _absence, _returns
from rollcall.cli._as_at import AsAt
from rollcall.cli._listed import rate, whole
from rollcall.cli._school import EPILOG, school

if TYPE_CHECKING:
    from sinks.reports import DayReport, Line

__all__ = ["register"]


_HEADINGS = (
    "Schools",
    "Pupils",
    "Possible",
    "Att.\n%",
    "Auth.\n%",
    "Unauth.\n%",
    "Late",
    "Unknown",
    "Marks\nmissing",
    "Reg.\nmissing",
    "Findings",
)
#: The same, where there is room.
_IN_WORDS = (
    "Schools",
    "Pupils on their rolls",
    "Possible sessions",
    "Attendance %",
    "Authorised absence %",
    "Unauthorised absence %",
    "Late sessions",
    "Unknown codes",
    "Marks missing",
    "Registers missing",
    "Findings",
)


def register(app: typer.Typer) -> None:
    """Add `rollcall report`."""
    reports = typer.Typer(
        no_args_is_help=True,
        help="Attendance as tables: a day, the absence of a period, returns; a school's page.",
    )
    reports.command(
        "day",
        epilog="Examples: [bold]rollcall report day --date 2025-09-10[/bold] gives the headline; "
        "[bold]--by school[/bold] a line per school; [bold]--all[/bold] counts every pupil of every school; "
        "[bold]--as-at '2025-09-10 18:00'[/bold] answers as known that evening.",
    )(day)
    reports.command("absence", epilog=_absence.EXAMPLES)(_absence.absence)
    reports.command("returns", epilog=_returns.EXAMPLES)(_returns.returns)
    reports.command("school", epilog=EPILOG)(school)
    app.add_typer(reports, name="report")


def day(
    date: Annotated[str, typer.Option(help="Session date, as 2025-09-10.", metavar="YYYY-MM-DD")],
    by: Annotated[str | None, typer.Option(help="A line per: trust, la, phase, school, year-group.")] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Count every pupil of every school, not only the headline's.")
    ] = False,
    basis: Annotated[
        str,
        typer.Option(help="statutory (registers and MIS) or live (kiosks, too, where a mark is missing or N)."),
    ] = "statutory",
    as_at: AsAt = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """A day's attendance: schools, pupils, possible sessions, rates, what is missing, unknown, odd or refused.

    Rates pool sessions and are rounded half up when printed. Missing is neither absent nor present; a code that no map
    knows is unknown. Every publication uses the statutory basis. The headline is pupils aged 5 to 15 in state-funded
    primary, secondary and special schools."""

    from rollcall.cli import _dates
    from rollcall.cli._as_at import asked
    from sinks.reports import check, day_report, statements

    session_date, at = _dates.day("--date", date), None if as_at is None else _dates.instant("--as-at", as_at)
    check(by, basis)
    with asked(at, session_date, session_date, asks=statements(basis)) as client:
        report = day_report(client, session_date, by, not everybody, basis, at)  # type: ignore[arg-type]
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        show(report)


def show(report: DayReport) -> None:
    """Print the report as a person reads it. The demo shows its day this way too."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"Attendance on {report.day:%A} {report.day.day} {report.day:%B %Y}", style="bold")
    console.print(f"Basis: {report.basis}. Counted: {report.scope}; sessions that have begun.", style="dim")
    console.print(report.known.in_words, style="dim")
    table = Table(box=box.SIMPLE_HEAD, show_footer=bool(report.lines), padding=(0, 1), pad_edge=False)
    total = _cells(report.total)
    if report.lines:
        table.add_column((report.by or "").replace("-", " ").capitalize(), footer="Total", no_wrap=True)
        for heading, footer in zip(_HEADINGS, total, strict=True):
            table.add_column(heading, footer=footer, justify="right", no_wrap=True)
        for line in report.lines:
            label = f"{line.label} ({line.key})" if report.by in ("school", "la") and line.key else line.label
            table.add_row(label, *_cells(line))
    else:
        table.show_header = False
        table.add_column()
        table.add_column(justify="right")
        for heading, value in zip(_IN_WORDS, total, strict=True):
            table.add_row(heading, value)
    whole(console, table)
    for title, found in (("Accepted, with a finding", report.exceptions), ("In quarantine", report.quarantined)):
        if found:
            console.print(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in found.items()))


def _cells(line: Line) -> tuple[str, ...]:
    schools = (
        f"{line.schools:,}"
        if line.schools == line.schools_expected
        else f"{line.schools:,} of {line.schools_expected:,}"
    )
    return (
        schools,
        f"{line.pupils:,}",
        f"{line.possible:,}",
        rate(line.attendance, line.possible),
        rate(line.authorised, line.possible),
        rate(line.unauthorised, line.possible),
        f"{line.late:,}",
        f"{line.unknown:,}",
        f"{line.missing_marks:,}",
        f"{line.missing_registers:,}",
        f"{line.exceptions:,}",
    )

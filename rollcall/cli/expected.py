"""`rollcall expected`: which registers should have been taken by an instant, and which have come."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.cli._listed import whole

if TYPE_CHECKING:
    from sinks.expected import Day

__all__ = ["register"]

_STATES = {"not_yet": "not open yet", "open": "open", "closed": "closed, received", "overdue": "OVERDUE"}


def register(app: typer.Typer) -> None:
    """Add `rollcall expected`."""
    app.command(
        "expected",
        epilog="Examples: [bold]rollcall expected --school 140001 --at '2025-09-16 10:30'[/bold]; "
        "[bold]--known-at '2025-09-16 12:00'[/bold] by the timetable as it was known then.",
    )(expected)


def expected(
    school: Annotated[int, typer.Option(help="URN of the school.", metavar="URN", min=1)],
    at: Annotated[str, typer.Option(help="An instant; without an offset it is London time.", metavar="'DATE TIME'")],
    known_at: Annotated[
        str | None,
        typer.Option(
            help="As known at this instant: timetable and receipts.", metavar="'DATE TIME'", show_default="now"
        ),
    ] = None,
    lessons: Annotated[bool, typer.Option("--lessons", help="The registers of lessons too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """What should have happened at a school by an instant: registers to be open or closed, with their times in force,
    the week, whether the school is open and why not, and which registers have come.

    Received is a register of the group, or marks of its pupils from an MIS; by whom it was taken makes no difference.
    Exit code 1 when a register is overdue: it should be closed and has not come."""
    from rollcall.cli import _dates
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.expected import expected as ask

    asked, known = _dates.instant("--at", at), None if known_at is None else _dates.instant("--known-at", known_at)
    client = connect(Settings.load().clickhouse)
    try:
        day = ask(client, school, asked, known_at=known, lessons=lessons)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps(day.as_json(), indent=2))
    else:
        _show(day)
    if day.overdue:
        raise typer.Exit(1)


def _show(day: Day) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from rollcall.domain.clock import LONDON

    console = Console()
    local = day.at.astimezone(LONDON)
    week = f", week {day.week}" if day.week else ""
    console.print(
        f"{day.school_name or 'School'} ({day.urn}) on {local:%A} {local.day} {local:%B %Y}{week}, {local:%H:%M}"
    )
    if not day.is_open:
        console.print(f"Not open: {day.why_closed}. Nothing is expected.")
        return
    if not day.registers:
        missing = "no timetable of the school is known" if day.timetable_taken_at is None else "its timetable has none"
        console.print(f"Open. No register is expected with its times: {missing}.")
        return
    table = Table("Session", "Register", "Of groups", "Opens", "Closes", "State", "Received", box=box.SIMPLE_HEAD)
    for one in day.registers:
        times = (f"{time.astimezone(LONDON):%H:%M} ({time:%H:%M} UTC)" for time in (one.opens_at, one.closes_at))
        came = (
            ""
            if one.received_at is None
            else f"{one.received_at.astimezone(LONDON):%Y-%m-%d %H:%M:%S}, as {one.received_as}"
        )
        session = f"{one.session} {one.period}".strip()
        table.add_row(session, one.group_id, " + ".join(one.groups), *times, _STATES[one.state], came)
    whole(console, table)
    came_of = sum(one.received_at is not None for one in day.registers)
    console.print(f"{len(day.registers)} expected, {came_of} received, {day.overdue} overdue")

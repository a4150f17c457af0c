"""`rollcall explain`: from a figure down to the marks, the rules and the messages that it is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall.cli._client import answer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from rollcall.domain.report_columns import Column
    from sinks.explaining import Explained
    from sinks.mark_stories import Story

__all__ = ["register"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Bytes = Annotated[
    bool, typer.Option("--bytes", help="Fetch the messages and decode them. They hold references and record ids.")
]


def register(app: typer.Typer) -> None:
    """Add `rollcall explain`."""
    group = typer.Typer(
        invoke_without_command=True, help="From a figure down to the marks, rules and messages that it is made of."
    )
    group.callback(
        epilog="Examples: [bold]rollcall explain --date 2025-09-10 --la 894 --column absence[/bold] gives the schools "
        "of a cell; [bold]rollcall explain --date 2025-09-10 --school 140013 --code N --bytes[/bold] the marks of a "
        "school's, down to the messages."
    )(cell)
    group.command(
        "mark",
        epilog="Example: [bold]rollcall explain mark 1234567890123456789 --date 2025-09-10[/bold]; the number is an "
        "event_id of marks_history, marks_current, or of [bold]rollcall explain[/bold].",
    )(mark)
    app.add_typer(group, name="explain")


def cell(
    context: typer.Context,
    date: Annotated[str | None, typer.Option(help="Session date.", metavar="YYYY-MM-DD")] = None,
    school: Annotated[int | None, typer.Option(help="Of this school (URN).")] = None,
    la: Annotated[str | None, typer.Option(help="Of this local authority, by its three-digit code.")] = None,
    phase: Annotated[str | None, typer.Option(help="Of this phase: Primary, Secondary, Special, ...")] = None,
    trust: Annotated[str | None, typer.Option(help="Of this trust.")] = None,
    year_group: Annotated[str | None, typer.Option(help="Of this year group.")] = None,
    session: Annotated[str | None, typer.Option(help="AM or PM; both when not given.")] = None,
    code: Annotated[str | None, typer.Option(help="Marks with this national code; or unmapped.")] = None,
    column: Annotated[
        str | None,
        typer.Option(
            help="A column of a report (possible, attendance, absence, authorised, unauthorised, late, unknown, marks) "
            "or of a published file (reason_*, possible_sessions, ...).", show_default="possible",
        ),
    ] = None,
    headline: Annotated[
        bool, typer.Option("--headline", help="Only the pupils and schools of the headline, as reports unless --all.")
    ] = False,
    basis: Annotated[str, typer.Option(help="statutory or live, as in reports.")] = "statutory",
    limit: Annotated[int, typer.Option(help="Marks, or schools, to list at most.", min=1, max=10_000)] = 20,
    show_bytes: Bytes = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Explain a cell of a report: its figure, the schools it is made of, and of one school the marks, each with the
    rule that chose it, its delivery and its message.

    The figure is added up as the reports do it, the parts are counted from the marks: exit code 1 when the two differ.
    Columns of published files are of the headline, in the statutory basis."""
    if context.invoked_subcommand is not None:
        return
    from rollcall.cli import _dates, _explained
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks.explaining import Cell, explain

    if date is None:
        raise UsageError("say which day with --date")
    if not any((school, la, phase, trust is not None, year_group)):
        raise UsageError("say of whom: --school, --la, --phase, --trust or --year-group")
    if session not in (None, "AM", "PM"):
        raise UsageError(f"--session {session}: a session is AM or PM")
    counted = _column(code, column)
    asked = Cell(
        _dates.day("--date", date), counted, school or 0, la, phase, trust, year_group, session,
        headline or counted.published, basis,  # type: ignore[arg-type]
    )  # fmt: skip
    settings = Settings.load()

    def look(client: Client) -> tuple[Explained, dict[str, Any]]:
        found = explain(client, asked, limit)
        return found, _explained.cell_document(settings, client, found, with_bytes=show_bytes)

    found, document = answer(look)
    if as_json:
        typer.echo(json.dumps(document, indent=2, default=str))
    else:
        _explained.print_cell(found, document, limit)
    if not found.equal:
        raise typer.Exit(1)


def mark(
    event_id: Annotated[str, typer.Argument(help="An event_id, decimal or hexadecimal (0x...).", metavar="EVENT_ID")],
    date: Annotated[
        str | None,
        typer.Option(help="Its session date: a long history is then not looked through.", metavar="YYYY-MM-DD"),
    ] = None,
    show_bytes: Bytes = False,
    as_json: Json = False,
) -> None:
    """Tell the story of one mark: every delivery about its pupil and session, and of its record, in the order in which
    they were taken in; what each did; and which one counts now, and why."""
    from rollcall.cli import _dates, _explained
    from rollcall.settings import Settings
    from sinks.mark_stories import story
    from streams.repeated import repeats

    day = None if date is None else _dates.day("--date", date)
    settings = Settings.load()

    def look(client: Client) -> tuple[Story, dict[str, Any]]:
        told = story(client, _number(event_id), day)
        repeated = repeats(client, [one.delivery for one in told.steps])
        return told, _explained.story_document(settings, client, told, repeated, with_bytes=show_bytes)

    told, document = answer(look)
    if as_json:
        typer.echo(json.dumps(document, indent=2, default=str))
    else:
        _explained.print_story(told, document)


def _column(code: str | None, name: str | None) -> Column:
    from rollcall.domain import report_columns
    from rollcall.errors import UsageError

    if code is not None and name is not None:
        raise UsageError("--code or --column, not both")
    return report_columns.of_code(code) if code is not None else report_columns.column(name or "possible")


def _number(written: str) -> int:
    from rollcall.errors import UsageError

    try:
        number = int(written) if written.isdecimal() else int(written, 16)
    except ValueError:
        number = -1
    if not 0 <= number < 2**64:
        raise UsageError(f"{written}: an event_id is a number of 64 bits, decimal or hexadecimal (0x...)")
    return number

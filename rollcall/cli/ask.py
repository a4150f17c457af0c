"""`rollcall ask`: what is not marked, contradicted, amended too late, unexplained, always late, or odd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall.cli._as_at import AsAt

if TYPE_CHECKING:
    from sinks.as_at import Known

__all__ = ["register"]

_WHAT = {
    "unmarked": "Sessions without marks: expected registers none of whose pupils has a mark.",
    "conflicts": "Marks on which two systems disagree: what counts, what lost, by which rule, for how many pupils.",
    "amendments": "Amendments made more school days after the session than the window allows.",
    "unexplained": "N that still stands after more school days than the window allows.",
    "late": "Groups whose register mostly came after it should have closed, and by how many minutes.",
}

From = Annotated[str, typer.Option("--from", help="First session date.", metavar="YYYY-MM-DD")]
To = Annotated[str | None, typer.Option("--to", help="Last session date; the first when not given.")]
School = Annotated[list[int] | None, typer.Option("--school", help="URN; may be given several times.", metavar="URN")]
Standing = Annotated[int, typer.Option("--window", min=0, help="School days in which an N may stand.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall ask`."""
    asking = typer.Typer(
        no_args_is_help=True,
        help="Questions about registers and marks; the answers name groups and sessions, no pupil.",
    )
    for name, command in (
        ("unmarked", unmarked), ("conflicts", conflicts), ("amendments", amendments), ("unexplained", unexplained),
        ("late", late),
    ):  # fmt: skip
        asking.command(
            name,
            help=_WHAT[name],
            epilog=f"Example: [bold]rollcall ask {name} --from 2025-09-08 --to 2025-09-12[/bold].",
        )(command)
    asking.command(
        "quality",
        epilog="Examples: [bold]rollcall ask quality[/bold]; "
        "[bold]rollcall ask quality --date 2025-09-10 --json[/bold].",
    )(quality)
    app.add_typer(asking, name="ask")


def unmarked(first: From, last: To = None, school: School = None, as_at: AsAt = None, as_json: AsJson = False) -> None:
    _answer("unmarked", first, last, school, as_at, as_json)


def conflicts(first: From, last: To = None, school: School = None, as_at: AsAt = None, as_json: AsJson = False) -> None:
    _answer("conflicts", first, last, school, as_at, as_json)


def amendments(
    first: From,
    last: To = None,
    school: School = None,
    window: Annotated[
        int | None,
        typer.Option(
            min=0, help="School days in which a mark may be amended.", show_default="as loaded for the school, else 5"
        ),
    ] = None,
    as_at: AsAt = None,
    as_json: AsJson = False,
) -> None:
    _answer("amendments", first, last, school, as_at, as_json, window=window)


def unexplained(
    first: From,
    last: To = None,
    school: School = None,
    window: Standing = 5,
    as_at: AsAt = None,
    as_json: AsJson = False,
) -> None:
    _answer("unexplained", first, last, school, as_at, as_json, window=window)


def late(
    first: From,
    last: To = None,
    school: School = None,
    least: Annotated[int, typer.Option(min=1, help="Registers that came, at least.")] = 3,
    percent: Annotated[int, typer.Option(min=1, max=100, help="Of them late, at least.")] = 50,
    as_at: AsAt = None,
    as_json: AsJson = False,
) -> None:
    _answer("late", first, last, school, as_at, as_json, least=least, percent=percent)


def quality(
    day: Annotated[
        str | None, typer.Option("--date", help="Session date.", metavar="YYYY-MM-DD", show_default="today")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What is odd about a day, by kind: schools' days as a whole, accepted marks with a finding, marks refused.

    Each kind says what it is; when it matters and how to resolve it is in --json and in docs/data-quality.md."""
    from datetime import UTC, datetime

    from rollcall.cli import _dates
    from rollcall.cli._listed import table
    from rollcall.domain.clock import london_date
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.quality import kinds_found

    asked = london_date(datetime.now(UTC)) if day is None else _dates.day("--date", day)
    client = connect(Settings.load().clickhouse)
    try:
        found = kinds_found(client, asked)
    finally:
        client.close()
    if as_json:
        document = {"session_date": asked.isoformat(), "findings": [one.as_json() for one in found]}
        typer.echo(json.dumps(document, indent=2))
    elif found:
        rows = ((one.kind, one.of, one.found, one.schools, one.what) for one in found)
        table(("Finding", "Of", "Found", "Schools", "What it is"), rows)
    else:
        typer.echo(f"Nothing odd was found of {asked}.")


def _answer(
    question: str,
    first: str,
    last: str | None,
    school: list[int] | None,
    as_at: str | None,
    as_json: bool,
    window: int | None = None,
    **measure: int,
) -> None:
    from datetime import UTC, datetime

    from rollcall.cli import _dates
    from rollcall.cli._as_at import asked as asking
    from rollcall.domain.clock import london_date
    from sinks.as_at import known
    from sinks.questions import Asked, answer, statement

    since, until = _dates.span(first, last or first)
    at = None if as_at is None else _dates.instant("--as-at", as_at)
    today = london_date(datetime.now(UTC) if at is None else at)
    asked = Asked(since, until, today, tuple(school or ()), window=window, **measure)
    with asking(at, since, until, asked.urns, (statement(question),)) as client:
        rows, by = answer(client, question, asked), known(client, at)
    if as_json:
        document = {"question": question, **by.as_json(), "answer": rows}
        typer.echo(json.dumps(document, default=str, indent=2))
    else:
        _show(question, by, rows)


def _show(question: str, by: Known, rows: list[dict[str, Any]]) -> None:
    from rollcall.cli._listed import table

    typer.echo(_WHAT[question])
    typer.echo(by.in_words)
    if rows:
        headings = tuple(name.replace("_", " ").capitalize() for name in rows[0])
        table(headings, (tuple(row.values()) for row in rows))
    else:
        typer.echo("None.")

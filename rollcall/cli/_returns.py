"""`rollcall report returns`: what a local authority is told of its schools' pupils."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.cli._absence import AsJson, From, Schools, To
from rollcall.cli._as_at import AsAt

if TYPE_CHECKING:
    from sinks.returns import Returns

__all__ = ["EXAMPLES", "returns"]

EXAMPLES = (
    "Examples: [bold]rollcall report returns --la 330 --from 2025-09-01 --to 2025-12-19[/bold] counts pupils by return "
    "and school; [bold]--pupils[/bold] lists them by pupil_id."
)


def returns(
    la: Annotated[str, typer.Option("--la", help="Three-digit code of the authority.")],
    first: From,
    last: To,
    urn: Schools = None,
    pupils: Annotated[
        bool, typer.Option("--pupils", help="List each pupil by pupil_id: for this authority alone.")
    ] = False,
    as_at: AsAt = None,
    as_json: AsJson = False,
) -> None:
    """Returns to a local authority: unauthorised absence, illness, severe absence, C2, E, D without a mark elsewhere.

    Of the schools that the authority is responsible for today, and of their marks alone: what a pupil did at another
    authority's school is not told. Nursery and post-16 pupils aside. Basis: statutory."""
    from rollcall.cli import _dates
    from rollcall.cli._as_at import asked as asking
    from rollcall.cli._client import answer
    from sinks.returns import Asked, schools_of, statements
    from sinks.returns import returns as told

    since, until = _dates.span(first, last)
    at = None if as_at is None else _dates.instant("--as-at", as_at)
    asked = Asked(la, since, until, tuple(urn or ()))
    schools = answer(lambda client: schools_of(client, asked))
    # At another school, too, a mark may stand beside a D: those that are asked about do not bound what is read.
    with asking(at, since, until, asks=statements()) as client:
        found = told(client, asked, schools, at)
    if as_json:
        typer.echo(json.dumps(found.as_json(pupils), indent=2))
    else:
        _show(found, pupils)


def _show(found: Returns, pupils: bool) -> None:
    from rollcall.cli._listed import table
    from sinks.returns import KINDS

    typer.echo(f"Returns to local authority {found.asked.la}, {found.asked.first} to {found.asked.last}")
    typer.echo(found.known.in_words)
    if not found.rows:
        typer.echo("None.")
    elif pupils:
        headings = ("Return", "URN", "Pupil", "Year group", "Amount", "From", "To", "School")
        table(
            headings,
            (
                (
                    one.kind,
                    one.urn,
                    one.pupil_id,
                    one.year_group,
                    one.amount,
                    one.first_day,
                    one.last_day,
                    one.school_name,
                )
                for one in found.rows
            ),
        )
    else:
        rows = ((kind, urn, number, name) for (kind, urn, name), number in found.pupils.items())
        table(("Return", "URN", "Pupils", "School"), rows)
    for kind in dict.fromkeys(one.kind for one in found.rows):
        typer.echo(f"{kind}: {KINDS[kind]}")

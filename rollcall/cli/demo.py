"""`rollcall demo`: one school day of a trust, from its sources to the answer, and the proofs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollcall.cli.scenarios.day import Day
    from rollcall.cli.scenarios.found import Found

__all__ = ["register"]

#: Schools with missing registers that are named; `rollcall report day --by school` has all.
_SCHOOLS_SHOWN = 8
#: Columns that the tables need; a narrower terminal wraps them.
_WIDTH = 120


def register(app: typer.Typer) -> None:
    """Add `rollcall demo`."""
    app.command(
        "demo",
        epilog="Examples: [bold]rollcall demo[/bold] plays a day of 48 academies and 36,000 pupils; "
        "[bold]rollcall demo --schools 8 --pupils 3000 --no-keep[/bold] a small one that leaves nothing running; "
        "[bold]rollcall demo --json[/bold] for a machine.",
    )(demo)


def demo(
    schools: Annotated[
        int,
        typer.Option(
            min=2, help="Academies of the trust; half post registers, half are pulled, from every make of MIS."
        ),
    ] = 48,
    pupils: Annotated[int, typer.Option(min=50, help="Pupils, over all schools.")] = 36_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.")] = 1,
    home: Annotated[
        Path, typer.Option(envvar="ROLLCALL_HOME", help="Folder of the embedded stack. A demo clears what a demo made.")
    ] = Path(".rollcall"),
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Leave it all running, to look further; `rollcall down` stops it.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Play one school day of a trust on this machine, with everything that goes wrong in one, and prove the answer.

    Real Kafka, a schema registry, the real ClickHouse engine, the ingest API, the pulls, the reference loader, the
    kiosk agent and the worker, each a process of its own; the schools are simulated. Exit 0 only when the answer is
    equal to the truth that the simulated schools know, and every message and every mark is accounted for.
    """
    from rich.console import Console

    from rollcall import logging
    from rollcall.cli.scenarios.day import Day, Plan
    from rollcall.cli.scenarios.telling import Bars

    logging.configure("warning")
    with Bars(Console(stderr=True), quiet=as_json) as bars, Day(Plan(home, schools, pupils, seed), bars) as day:
        found = day.play()
        if keep:
            day.keep()
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        _show(found, day, keep)
    if not found.proved:
        raise typer.Exit(1)


def _show(found: Found, day: Day, keep: bool) -> None:
    from dataclasses import replace

    from rollcall.cli import report

    report.show(replace(found.asked.report, exceptions={}, quarantined={}))  # they follow, with what they are
    told = ", ".join(f"{count} by {make}" for make, count in sorted(found.makes.items(), key=lambda one: -one[1]))
    typer.echo(f"\nHow their marks came, in schools: {told}")
    _show_missing(found)
    _show_findings(found)
    _show_desks(found)
    _show_upheavals(found)
    _show_proofs(found)
    _show_looked_into(found)
    if keep:
        _show_further(day)


def _show_missing(found: Found) -> None:
    from rich.console import Console

    console = Console()
    registers = sum(len(one[2]) for one in found.asked.missing)
    console.print(f"\nMissing: {registers} registers that were expected and never came", style="bold")
    for school, urn, which, pupils in found.asked.missing[:_SCHOOLS_SHOWN]:
        named = ", ".join(which[:6]) + (f" and {len(which) - 6} more" if len(which) > 6 else "")
        console.print(f"  {school} ({urn}): {named}; {pupils:,} pupils", highlight=False)
    if len(found.asked.missing) > _SCHOOLS_SHOWN:
        console.print(f"  and at {len(found.asked.missing) - _SCHOOLS_SHOWN} more schools")


def _show_findings(found: Found) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.width = max(console.width, _WIDTH)
    for title, wanted in (("In quarantine: refused for now, bytes kept", False), ("Accepted, with a finding", True)):
        table = Table("", "Marks", "Schools", "What it is", box=box.SIMPLE_HEAD, title=title, title_justify="left")
        for name, accepted, count, schools, what, _ in found.asked.findings:
            if accepted == wanted:
                table.add_row(name, f"{count:,}", str(schools), what)
        table.title_style = "bold"
        console.print(table)


def _show_desks(found: Found) -> None:
    desks = found.asked.desks
    became = ", ".join(f"{count:,} {what}" for what, count in desks.became.items() if what not in ("none", "refused"))
    typer.secho(f"Kiosks at {desks.schools} schools: {desks.sign_ins:,} sign-ins", bold=True)
    typer.echo(
        f"  {became}: evidence, in the history and in no figure above (rule 17)\n"
        f"  {desks.became.get('refused', 0):,} refused, {desks.became.get('none', 0):,} of nobody on a roster\n"
    )


def _show_upheavals(found: Found) -> None:
    told = found.asked.told
    typer.secho("What changed at the trust during the day", bold=True)
    typer.echo(
        f"  a roster came at noon: {told['healed']:,} marks healed out of quarantine by themselves\n"
        f"  a school changed its register system: {told['chosen_by_the_new_system']:,} conflicts decided for the new\n"
        f"  a school became an academy: {told['of_a_school_not_open']:,} marks of days that were the other URN's, "
        f"in no figure\n"
        f"  two children had a second number: {told['aliases']:,} aliases, history unchanged\n"
        f"  a school has registers of lessons only: {told['from_lessons']:,} marks of its morning follow from them\n"
    )


def _show_proofs(found: Found) -> None:
    from rollcall.cli import reconcile

    verdict = found.verdict
    typer.secho("Two proofs", bold=True)
    differences = f"{verdict.lost} lost, {verdict.duplicated} duplicated, {verdict.wrong} wrong"
    typer.secho(
        f"1. {'Equal' if verdict.equal else 'NOT equal'} to the truth the estate knows: {verdict.standing:,} marks "
        f"stand, {len(verdict.tables)} comparisons: {differences}",
        fg=typer.colors.GREEN if verdict.equal else typer.colors.RED,
    )
    for name, finding in verdict.tables.items():
        for example in finding.examples:
            typer.echo(f"   {name}: {example}")
    every = found.asked.account.gap == 0
    typer.secho(
        f"2. {'Every' if every else 'NOT every'} message and every mark accounted for",
        fg=typer.colors.GREEN if every else typer.colors.RED,
    )
    reconcile.show(found.asked.account)
    equal = found.asked.rebuilt.equal
    typer.secho(
        f"   The current state is {'what' if equal else 'NOT what'} the history says when it is rebuilt",
        fg=typer.colors.GREEN if equal else typer.colors.RED,
    )


def _show_looked_into(found: Found) -> None:
    from rollcall.cli import _explained
    from rollcall.cli.scenarios.looked_into import LISTED
    from sinks.reports import percent

    looked, now = found.asked.looked_into, found.asked.report.total
    typer.secho("\nOne figure, down to its bytes", bold=True)
    _explained.print_cell(looked.explained, looked.document, LISTED)
    noon = looked.noon.total
    typer.secho("\nThe same day as it was known when the afternoon began", bold=True)
    typer.echo(f"  {looked.noon.known.in_words}")
    for what, one in (("then", noon), ("now", now)):
        attendance, unauthorised = (percent(part, one.possible) for part in (one.attendance, one.unauthorised))
        rates = f"attendance {attendance} %, unauthorised absence {unauthorised} %"
        typer.echo(f"  {what:<5} {one.possible:,} possible sessions, {rates}, {one.unknown:,} unknown")
    typer.echo(f"\n{sum(found.seconds.values()):.0f} seconds")


def _show_further(day: Day) -> None:
    from rollcall.cli.scenarios.day import surroundings

    before = surroundings(day.plan.home)
    clickhouse = day.settings.clickhouse
    typer.secho("\nLook further", bold=True)
    for what, how in (
        (
            "ask in SQL",
            f"{before}.venv/bin/rollcall sql \"SELECT * FROM school_days WHERE session_date = '{day.plan.day}'\"",
        ),
        ("the day by school", f"{before}.venv/bin/rollcall report day --date {day.plan.day} --by school"),
        ("what is refused", f"{before}.venv/bin/rollcall quarantine list"),
        ("any ClickHouse client", f"http://{clickhouse.host}:{clickhouse.port}  (database {clickhouse.database})"),
        ("the ingest API", f"{day.ingest_url}/docs"),
        ("stop everything", f"{before}.venv/bin/rollcall down"),
    ):
        typer.echo(f"  {what:<22} {how}")

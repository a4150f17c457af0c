"""`rollcall torture`: kill everything, everywhere, and let the judge look at every table."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollcall.cli.scenarios.torture import Row

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall torture`."""
    app.command(
        "torture",
        epilog="Examples: [bold]rollcall torture --kills 3[/bold] everything; "
        "[bold]rollcall torture --kills 20 --points history.written,zombie,kafka[/bold] some of it, often; "
        "[bold]rollcall torture --seed 7 --json[/bold]. What is true at each point: docs/guarantees.md.",
    )(torture)


def torture(
    kills: Annotated[int, typer.Option(min=1, help="Kills at each point.")] = 3,
    seed: Annotated[int, typer.Option(help="Decides the estate, its dirt and when exactly things die.")] = 1,
    points: Annotated[
        str | None,
        typer.Option(
            help="Fail points and join, kill, zombie, clickhouse, kafka, ingest, pulls, roster, codes, healing; "
            "commas between."
        ),
    ] = None,
    schools: Annotated[int, typer.Option(min=2, help="Schools of the estate.")] = 4,
    pupils: Annotated[int, typer.Option(min=50, help="Pupils, over all schools.")] = 1_200,
    home: Annotated[
        Path | None, typer.Option(help="Folder for the stack, kept afterwards.", show_default="one that is removed")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Kill workers with SIGKILL at every step of their walk, under load, and Kafka, ClickHouse and the ingest API; stop
    workers until the group has moved on and let them go on; change reference data between crash and recovery; let marks
    heal. Rules between sources, a rule for lessons and an alias decide marks all the time.

    After each, the simulated estate's own list of expected outcomes is held against every table. Exit 1 when anything
    is lost, duplicated or wrong, not accounted for, or not what the history says.
    """
    from rich.console import Console

    from rollcall.cli.scenarios import torture as scenarios
    from rollcall.cli.scenarios.arena import Arena
    from rollcall.cli.scenarios.telling import Bars

    names = scenarios.chosen([name.strip() for name in (points or "").split(",") if name.strip()])
    folder = home or Path(tempfile.mkdtemp(prefix="rollcall-torture-"))
    with Bars(Console(stderr=True), quiet=as_json) as bars:
        bars.step("Starting a stack and its reference data")
        ticks = scenarios.ticks_needed(names, kills)
        with Arena(folder, seed, ticks, schools=schools, pupils=pupils, decided=True) as arena:
            rows = scenarios.torture(arena, names, kills, begin=bars.step)
            marks = arena.gauge.taken().marks
    harmless = all(row.harmless for row in rows)
    if home is None and harmless:
        shutil.rmtree(folder)
    if as_json:
        document = {"harmless": harmless, "seed": seed, "marks": marks, "points": [row.as_json() for row in rows]}
        typer.echo(json.dumps(document, indent=2))
    else:
        _show(rows, marks)
        if not harmless:
            typer.echo(f"data and logs are kept in {folder}")
    if not harmless:
        raise typer.Exit(1)


def _show(rows: list[Row], marks: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Point", no_wrap=True)
    for heading in ("Kills", "Lost", "Duplicated", "Wrong", "Gap", "Verify", "Seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        counts = (row.kills, row.lost, row.duplicated, row.wrong, row.gap, row.differences)
        cells = [f"{count:,}" for count in counts]
        table.add_row(row.point, *cells, f"{row.seconds:.0f}", style=None if row.harmless else "red")
    console = Console()
    console.width = max(console.width, 110)
    console.print(table)
    for row in rows:
        for example in row.examples:
            console.print(f"  {row.point}: {example}", highlight=False, markup=False)
    console.print("Gap: what reconcile cannot account for. Verify: rows that the history says otherwise.", style="dim")
    console.print(f"{marks:,} marks accounted for, {sum(row.kills for row in rows)} kills")

"""`rollcall config`: the settings in force and where each came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall config`."""
    app.command(
        "config",
        epilog="Examples: [bold]rollcall config[/bold] shows all; "
        "[bold]ROLLCALL_KAFKA__BOOTSTRAP=broker:9092 rollcall config[/bold] shows what a variable changes.",
    )(config)


def config(
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print every setting in force, its environment variable and where its value came from. Secrets are masked."""
    from rollcall.settings import Settings

    settings = Settings.load(home=home) if home is not None else Settings.load()
    rows = [
        {"setting": name, "value": value, "from": origin, "variable": f"ROLLCALL_{name.upper().replace('.', '__')}"}
        for name, value, origin in settings.in_force()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("Environment variable", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("From")
    for row in rows:
        value = "" if row["value"] is None else str(row["value"])
        table.add_row(row["variable"], value, row["from"], style=None if row["from"] != "default" else "dim")
    Console().print(table)

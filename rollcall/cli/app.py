"""The `rollcall` command."""

from __future__ import annotations

import typer

app = typer.Typer(name="rollcall", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Attendance marks of schools in England, from their sources to an answer."""


def main() -> None:
    """Run the command line."""
    app()

"""The `rollcall` command: what it is made of, and how an error reaches the person who typed it.

One file of this folder per command group. Each defines `register(app: typer.Typer) -> None`, which adds its commands:

- thin: parse, call what does the work, print. No rules of the domain here.
- heavy modules (polars, numba, chdb, confluent_kafka, fastapi) are imported inside the command functions, so that
  `rollcall --help` answers at once.
- a docstring that begins with what the command is for, and an `epilog` with two or three examples: `--help` teaches.
- what a person reads goes to standard output, progress and errors to standard error; `--json` prints one JSON document.
- exit codes: 0 done, 1 found a problem (also a difference that `reconcile` or `verify` found), 2 usage. Raise a
  `RollcallError`, or `typer.Exit(1)` once the finding is printed.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated

import typer

from rollcall import __version__
from rollcall.cli._lean import do_without_pandas
from rollcall.errors import RollcallError

__all__ = ["GROUPS", "build", "main"]

#: The files of this folder, in the order `rollcall --help` shows their commands: the order a person meets them.
GROUPS: tuple[str, ...] = (
    "demo",
    "stack",
    "config",
    "schemas",
    "topics",
    "migrate",
    "reference",
    "codes",
    "rules",
    "lessons",
    "identity",
    "ingest",
    "sources",
    "pull",
    "backfill",
    "snapshot",
    "simulate",
    "worker",
    "agents",
    "report",
    "ask",
    "publish",
    "explain",
    "expected",
    "quarantine",
    "reconcile",
    "verify",
    "weeks",
    "archive",
    "erase",
    "access",
    "export",
    "sql",
    "bench",
    "torture",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rollcall {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Attendance marks of schools in England, from their sources to an answer: connectors put events on Kafka, streams
    process them, sinks write them to ClickHouse."""


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="rollcall",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    app.callback(
        epilog="Begin with [bold]rollcall demo[/bold], or [bold]rollcall up --detach[/bold] and then "
        "[bold]rollcall status[/bold]. Every setting: [bold]rollcall config[/bold]."
    )(_root)
    for group in GROUPS:
        importlib.import_module(f"{__package__}.{group}").register(app)
    return app


def main() -> None:
    """Run the command line. One clear line for an error that we know; a traceback only with ROLLCALL_DEBUG set."""
    do_without_pandas()
    try:
        build()()
    except RollcallError as error:
        if os.environ.get("ROLLCALL_DEBUG"):
            raise
        _print_error(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe has seen enough (`rollcall report day | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _print_error(message: str) -> None:
    typer.secho(f"rollcall: {' '.join(message.split())}", fg=typer.colors.RED, err=True)

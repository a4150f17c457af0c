"""`rollcall up`, `down`, `status` and `doctor`: the embedded stack."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollcall.stack import EmbeddedStack

__all__ = ["register"]

Home = Annotated[
    Path, typer.Option(envvar="ROLLCALL_HOME", help="Folder of the embedded stack; its data, logs and addresses.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DEFAULT_HOME = Path(".rollcall")
#: How often a stack in the foreground is looked at (s).
WATCH_S = 1.0


def register(app: typer.Typer) -> None:
    """Add `rollcall up`, `down`, `status` and `doctor`."""
    app.command(
        "up",
        epilog="Examples: [bold]rollcall up --detach[/bold] starts it and comes back; "
        "[bold]rollcall up[/bold] keeps it until Ctrl-C; "
        "[bold]rollcall up --detach --home /data/rollcall[/bold] keeps its data there.",
    )(up)
    app.command(
        "down", epilog="Example: [bold]rollcall down[/bold], then [bold]rollcall up[/bold] finds all data again."
    )(down)
    app.command(
        "status",
        epilog="Examples: [bold]rollcall status[/bold]; "
        "[bold]rollcall status --json | jq -r .clickhouse.url[/bold] for another client.",
    )(status)
    app.command("doctor", epilog="Example: [bold]rollcall doctor[/bold] when [bold]rollcall up[/bold] did not work.")(
        doctor
    )


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Come back once all is ready; it keeps running.")
    ] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Start Kafka, the schema registry and ClickHouse on this machine, or what of them does not run.

    Nothing has to be installed: real Kafka and the real ClickHouse engine come with Rollcall. They listen on this
    machine only. Data, logs and addresses lie below --home and survive `down`, Ctrl-C and a crash.
    """
    from rollcall.stack import EmbeddedStack

    stack = EmbeddedStack(home)
    ended = threading.Event()
    if not detach:
        _end_on_signals(ended)
    stack.up(progress=lambda line: typer.echo(line, err=True))
    if detach:
        typer.echo("The stack is up. `rollcall status` shows its addresses, `rollcall down` stops it.", err=True)
        return
    typer.echo("The stack is up. Ctrl-C stops it.", err=True)
    died = _wait(stack, ended)
    stack.down()
    typer.echo("The stack is down.", err=True)
    if died:
        typer.echo(f"{died} ended by itself, so the rest was stopped; its log is in {stack.logs}.", err=True)
        raise typer.Exit(1)


def down(home: Home = DEFAULT_HOME) -> None:
    """Stop the embedded stack, and what a demo left running beside it. Its data stays."""
    from rollcall.cli.scenarios.processes import stop_remembered
    from rollcall.stack import EmbeddedStack

    stop_remembered(home)
    EmbeddedStack(home).down()
    typer.echo("The stack is down.", err=True)


def status(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Show what of the embedded stack runs, whether it answers, and where. Exit code 1 unless all of it is ready."""
    from rollcall.stack import EmbeddedStack

    found = EmbeddedStack(home).status()
    if as_json:
        services = {
            service.name: {
                "url": service.url,
                "pid": service.pid,
                "running": service.running,
                "ready": service.ready,
                "log": str(service.log),
                **({"scoped_url": service.scoped_url} if service.scoped_url else {}),
            }
            for service in found.services
        }
        typer.echo(json.dumps({"home": str(found.home), "ready": found.ready, **services}, indent=2))
    elif not found.services:
        typer.echo(f"Nothing was started in {found.home} yet. Start it: rollcall up --detach")
    else:
        for service in found.services:
            state = "ready" if service.ready else "starting or stuck" if service.running else "not running"
            pid = f"pid {service.pid}" if service.pid else ""
            typer.echo(f"{service.name:<11} {state:<18} {service.url:<28} {pid:<12} {service.log}")
            if service.scoped_url:
                typer.echo(f"{'':<11} {'for scoped users':<18} {service.scoped_url:<28} (rollcall access)")
    if not found.ready:
        raise typer.Exit(1)


def doctor(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Look at all that the embedded stack needs, and say what to do about what is wrong. Changes nothing."""
    from dataclasses import asdict

    from rollcall.stack import EmbeddedStack
    from rollcall.stack.doctor import examine

    checks = []
    for check in examine(EmbeddedStack(home)):
        checks.append(check)
        if not as_json:
            typer.echo(f"{'ok   ' if check.well else 'WRONG'} {check.name:<18} {check.found}")
            if check.advice:
                typer.echo(f"{'':24} {check.advice}")
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    if not all(check.well for check in checks):
        raise typer.Exit(1)


def _end_on_signals(ended: threading.Event) -> None:
    def end(_signum: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def _wait(stack: EmbeddedStack, ended: threading.Event) -> str | None:
    """Wait for the end; the name of a service that ended by itself, if one did."""
    started = set(stack.pids())
    while not ended.wait(WATCH_S):
        gone = started - set(stack.pids())
        if gone and not ended.is_set():
            return ", ".join(sorted(gone))
    return None

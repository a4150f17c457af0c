"""`rollcall agents`: what is done event by event, and now and then, beside the worker."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]

_NAMES = ("kiosk", "alerts")


def register(app: typer.Typer) -> None:
    """Add `rollcall agents run` and `rollcall agents torture`."""
    group = typer.Typer(no_args_is_help=True, help="Agents: sign-ins become evidence; what to look at is said.")
    group.command(
        "run",
        epilog="Examples: [bold]rollcall agents run kiosk[/bold], any number of them; [bold]rollcall agents run "
        "alerts --every 60[/bold], one.",
    )(run)
    group.command(
        "torture",
        epilog="Examples: [bold]rollcall agents torture[/bold]; "
        "[bold]rollcall agents torture --kills 5 --events 20000 --json[/bold]. What is promised: docs/guarantees.md.",
    )(torture)
    app.add_typer(group, name="agents")


def run(
    name: Annotated[str, typer.Argument(help="kiosk or alerts.")],
    every: Annotated[float, typer.Option(min=1, help="alerts: seconds between two looks.")] = 60.0,
    group: Annotated[str | None, typer.Option(help="Consumer group.", show_default="rollcall-<name>")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
) -> None:
    """Run an agent until it is stopped. May be killed at any time: what it did not finish is done again, the same.

    Exits 0 when stopped (Ctrl-C, SIGTERM), 1 when something must be looked at first.
    """
    import contextlib
    import signal

    from rollcall import logging, metrics
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from streams.agents.alerts import AlertsAgent
    from streams.agents.harness import Harness
    from streams.agents.kiosk import KioskAgent

    if name not in _NAMES:
        raise UsageError(f"no such agent: {name}; there are {' and '.join(_NAMES)}")
    settings = Settings.load(home=home) if home is not None else Settings.load()
    logging.configure(settings.observability.log_level)
    agent = KioskAgent(settings) if name == "kiosk" else AlertsAgent(settings, every_s=every)
    harness = Harness(settings, agent, group=group)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: harness.stop())
    observed = settings.observability
    with contextlib.closing(metrics.serve(observed.metrics_host, observed.metrics_port, harness.not_ready)):
        harness.run()


def torture(
    kills: Annotated[int, typer.Option(min=1, help="How often the agent is killed.")] = 5,
    events: Annotated[int, typer.Option(min=100, help="Kiosk events, over all schools.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Decides the estate, who signs in when, and when the agent dies.")] = 1,
    home: Annotated[
        Path | None, typer.Option(help="Folder for the stack, kept afterwards.", show_default="one that is removed")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Kill the kiosk agent with SIGKILL while it works, and compare all it wrote with what a plain function says.

    Exit 1 when evidence or a fact is missing, wrong or not expected, or a statutory figure has moved.
    """
    from rich.console import Console

    from rollcall.cli.scenarios import kiosks
    from rollcall.cli.scenarios.telling import Bars

    folder = home or Path(tempfile.mkdtemp(prefix="rollcall-agents-"))
    with Bars(Console(stderr=True), quiet=as_json) as bars:
        result = kiosks.torture(folder, seed, events, kills, begin=bars.step)
    if home is None and result.harmless:
        shutil.rmtree(folder)
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        for line in result.told():
            typer.echo(line)
        if not result.harmless:
            typer.echo(f"data and logs are kept in {folder}")
    if not result.harmless:
        raise typer.Exit(1)

"""`rollcall agents`: what is done event by event, and now and then, beside the worker."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.domain.clock import now

if TYPE_CHECKING:
    from rollcall.cli.scenarios.killed import Result
    from rollcall.settings import Settings
    from streams.agents.harness import Agent

__all__ = ["NAMES", "register"]

#: The agents that there are. Each is a service of docker-compose.yml.
NAMES = ("kiosk", "alerts", "pulls", "healing")


def register(app: typer.Typer) -> None:
    """Add `rollcall agents run` and `rollcall agents torture`."""
    group = typer.Typer(
        no_args_is_help=True, help="Agents: sign-ins become evidence; what to look at is said; pull requests are done."
    )
    group.command(
        "run",
        epilog="Examples: [bold]rollcall agents run kiosk[/bold], any number of them; [bold]rollcall agents run "
        "alerts --every 60[/bold], one; [bold]rollcall agents run healing[/bold], one; [bold]rollcall agents run "
        "pulls[/bold], any number that share a home folder, beside one [bold]rollcall pull --every 60s "
        "--through-kafka[/bold].",
    )(run)
    group.command(
        "torture",
        epilog="Examples: [bold]rollcall agents torture --agent kiosk[/bold]; "
        "[bold]rollcall agents torture --agent pulls --kills 5 --events 20000 --json[/bold]. What is promised: "
        "docs/guarantees.md.",
    )(torture)
    app.add_typer(group, name="agents")


def run(
    name: Annotated[str, typer.Argument(help="kiosk, alerts, pulls or healing.")],
    every: Annotated[float, typer.Option(min=1, help="alerts: seconds between two looks.")] = 60.0,
    at_once: Annotated[
        int, typer.Option(help="pulls: schools of a source pulled at the same time.", min=1, max=256)
    ] = 8,
    overlap: Annotated[
        float, typer.Option(help="pulls: seconds before the last pull that are read again.", min=0)
    ] = 120,
    today: Annotated[
        datetime | None,
        typer.Option(
            help="The day it is (alerts: and the time, UTC), for a day that is played.",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"],
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Consumer group; for pulls the home folder's id follows.", show_default="rollcall-<name>"),
    ] = None,
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
    from streams.agents.healing import HealingAgent
    from streams.agents.kiosk import KioskAgent

    if name not in NAMES:
        raise UsageError(f"no such agent: {name}; there are {', '.join(NAMES)}")
    settings = Settings.load(home=home) if home is not None else Settings.load()
    logging.configure(settings.observability.log_level)
    with contextlib.ExitStack() as parts:
        agent: Agent
        if name == "kiosk":
            agent = KioskAgent(settings)
        elif name == "healing":
            agent = HealingAgent(settings)
        elif name == "alerts":
            played = None if today is None else today.replace(tzinfo=UTC)
            agent = AlertsAgent(settings, every_s=every, clock=now if played is None else lambda: played)
        else:
            agent, group = _pulls(settings, at_once, overlap, today, group, parts)
        harness = Harness(settings, agent, group=group)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: harness.stop())
        observed = settings.observability
        with contextlib.closing(metrics.serve(observed.metrics_host, observed.metrics_port, harness.not_ready)):
            harness.run()


def _pulls(
    settings: Settings, at_once: int, overlap: float, today: datetime | None, group: str | None, parts: ExitStack
) -> tuple[Agent, str]:
    """The pulls agent, and its group: cursors are in the home folder, so only agents of one home share schools."""
    from connectors.pull_requests import installation_of
    from connectors.pulling import parts_of
    from connectors.requested import Requested
    from connectors.source_pulls import Plan
    from connectors.sources_file import SourcesFile
    from rollcall.cli._asking import ByRequest
    from streams.agents.pulls import PullsAgent

    plan = Plan(at_once=at_once, overlap=timedelta(seconds=overlap), today=None if today is None else today.date())
    shared = parts.enter_context(parts_of(settings, SourcesFile(settings.sources_file)))
    agent = PullsAgent(settings, ByRequest(Requested(shared, plan)))
    return agent, f"{group or 'rollcall-pulls'}-{installation_of(settings)}"


def torture(
    agent: Annotated[str, typer.Option(help="kiosk, alerts or pulls.")] = "kiosk",
    kills: Annotated[int, typer.Option(min=1, help="How often an agent is killed.")] = 5,
    events: Annotated[
        int, typer.Option(min=100, help="About so many kiosk events, alerts, or records of the MIS; over all schools.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Decides the estate, what happens when, and when the agent dies.")] = 1,
    home: Annotated[
        Path | None, typer.Option(help="Folder for the stack, kept afterwards.", show_default="one that is removed")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Kill an agent with SIGKILL while it works, and compare all it wrote with what a plain function says it must.

    Of pulls two work at once, and one of them is killed each time. Exit 1 when anything is lost, wrong or not expected.
    """
    from rich.console import Console

    from rollcall.cli.scenarios import alerts, kiosks, pulls
    from rollcall.cli.scenarios.telling import Bars
    from rollcall.errors import UsageError

    scenarios: dict[str, Callable[..., Result]] = {
        "kiosk": kiosks.torture,
        "alerts": alerts.torture,
        "pulls": pulls.torture,
    }
    if agent not in scenarios:
        raise UsageError(f"no such agent: {agent}; there are {', '.join(scenarios)}")
    folder = home or Path(tempfile.mkdtemp(prefix="rollcall-agents-"))
    with Bars(Console(stderr=True), quiet=as_json) as bars:
        result = scenarios[agent](folder, seed, events, kills, begin=bars.step)
    if home is None and result.harmless:
        shutil.rmtree(folder)
    if as_json:
        typer.echo(json.dumps(result.as_json(), indent=2))
    else:
        _show(result)
        if not result.harmless:
            typer.echo(f"data and logs are kept in {folder}")
    if not result.harmless:
        raise typer.Exit(1)


def _show(result: Result) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("Agent", box=box.SIMPLE_HEAD)
    for heading in ("Kills", "Expected", "Lost", "Repeated, same id", "Wrong"):
        table.add_column(heading, justify="right", no_wrap=True)
    line = result.line()
    cells = [f"{count:,}" for count in (line.kills, line.expected, line.lost, line.repeated, line.wrong)]
    table.add_row(line.agent, *cells, style=None if result.harmless else "red")
    Console().print(table)
    for said in result.told():
        typer.echo(said)

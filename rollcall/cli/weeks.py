"""`rollcall weeks`: the marks of weeks that are over, packed, so that absence over a year is read fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall weeks`."""
    group = typer.Typer(
        no_args_is_help=True, help="Packed weeks: what absence over a year is read from. No figure depends on them."
    )
    group.command(
        "run",
        epilog="Examples: [bold]rollcall weeks run[/bold] packs until Ctrl-C, every 15 minutes what has changed; "
        "[bold]rollcall weeks run --once[/bold] what there is now.",
    )(run)
    group.callback()(_group)
    app.add_typer(group, name="weeks")


def _group() -> None:
    """Packed weeks: what absence over a year is read from. No figure depends on them."""


def run(
    once: Annotated[bool, typer.Option("--once", help="Pack what there is, say how much it was, and leave.")] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds between two runs over all weeks.")] = 900.0,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
) -> None:
    """Pack the weeks that are over and have changed since. One will do; two do no harm. May be killed at any time.

    Figures are the same without it, and slower: a week that is not packed as it stands is read mark by mark.

    Exits 0 when stopped (Ctrl-C, SIGTERM), 1 when something must be looked at first.
    """
    import contextlib

    import structlog

    from rollcall import metrics
    from rollcall.cli._service import begun
    from sinks.clickhouse import connect
    from sinks.weeks import make

    settings, stop = begun(home)
    observed = settings.observability
    with (
        contextlib.closing(connect(settings.clickhouse)) as client,
        contextlib.closing(metrics.serve(observed.metrics_host, observed.metrics_port)),
    ):
        while not stop.is_set():
            made = make(client, stopped=stop.is_set)
            metrics.WEEKS_PACKED.inc(made)
            metrics.WEEKS_PACKED_AT.set_to_current_time()
            if once:
                typer.echo(f"{made:,} weeks of schools packed")
                return
            structlog.get_logger().info("weeks_packed", weeks=made)
            stop.wait(every)

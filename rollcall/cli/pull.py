"""`rollcall pull`: pull what has changed from every source onto Kafka."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connectors.source_pulls import Round

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall pull`."""
    app.command(
        "pull",
        epilog="Examples: [bold]rollcall pull --every 60s[/bold] all sources, for ever; "
        "[bold]rollcall pull --source wonde --window 2025-09-01 2025-09-12[/bold] reads two weeks whole; "
        "[bold]rollcall pull --what roster[/bold]; [bold]rollcall pull --every 60s --through-kafka[/bold] with any "
        "number of [bold]rollcall agents run pulls[/bold]. Which sources: [bold]rollcall sources list[/bold].",
    )(pull)


def pull(
    source: Annotated[list[str] | None, typer.Option(help="Only this source; repeat for more.")] = None,
    every: Annotated[
        str | None,
        typer.Option(help="Pull each source again so long after: 60, 60s, 5m or 1h. Without it: once.", metavar="TIME"),
    ] = None,
    window: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(
            help="First and last session date: read them whole, and leave the cursors alone.", formats=["%Y-%m-%d"]
        ),
    ] = None,
    what: Annotated[str, typer.Option(help="all, roster or marks.")] = "all",
    at_once: Annotated[int, typer.Option(help="Schools of a source pulled at the same time.", min=1, max=256)] = 8,
    overlap: Annotated[float, typer.Option(help="Seconds before the last pull that are read again.", min=0)] = 120,
    through_kafka: Annotated[
        bool,
        typer.Option(
            help="Put a request for each school on Kafka, for the pulls agents to do (--at-once, --overlap: theirs)."
        ),
    ] = False,
    today: Annotated[
        datetime | None, typer.Option(help="The day it is, for a day that is played.", formats=["%Y-%m-%d"])
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document; with --every one line for each source's round.")
    ] = False,
) -> None:
    """Pull what has changed at each school of each source since the last time: roster, marks, deletions.

    Sources are pulled side by side. A school that refuses us is stopped and reported, one that has trouble is tried
    again next time; none holds up the others. The file of sources is read again before each round; a permission that is
    revoked stops a pull in its middle. Leaves with 1 when a school could not be pulled whole. Stop with Ctrl-C: nothing
    is lost.
    """
    import asyncio
    import signal

    import structlog

    from connectors import pulling
    from connectors.contract import Window
    from connectors.source_pulls import Plan
    from rollcall import logging, metrics
    from rollcall.errors import UsageError
    from rollcall.settings import Settings

    if what not in ("all", "roster", "marks"):
        raise UsageError("--what is all, roster or marks")
    pause = None if every is None else _seconds(every)
    settings = Settings.load(home=home) if home is not None else Settings.load()
    logging.configure(settings.observability.log_level)
    span = None if window is None else Window(window[0].date(), window[1].date())
    if span is not None and span.first_day > span.last_day:
        raise UsageError("--window: the first day is later than the last")
    plan = Plan(
        what=what,  # type: ignore[arg-type]
        window=span,
        at_once=at_once,
        overlap=timedelta(seconds=overlap),
        today=None if today is None else today.date(),
    )

    def told(round_: Round) -> None:
        if as_json:
            typer.echo(json.dumps(_rows(round_)))
        else:
            _print(_rows(round_))

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service is stopped like a person stops it
    server = None
    if pause is not None:
        server = metrics.serve(settings.observability.metrics_host, settings.observability.metrics_port)
        structlog.get_logger().info("pulls_started", every_seconds=pause, metrics_port=server.port)
    try:
        names = source or ()
        if through_kafka:
            from rollcall.cli._asking import ask

            raise typer.Exit(0 if ask(settings, plan, names, pause, as_json) else 1)
        if pause is not None:
            asyncio.run(pulling.run(settings, plan, names=names, every=pause, finished=told))
        rounds = asyncio.run(pulling.run(settings, plan, names=names))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    finally:
        if server is not None:
            server.close()
    rows = [row for round_ in rounds for row in _rows(round_)]
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        _print(rows)
    if not all(round_.whole for round_ in rounds):
        raise typer.Exit(1)


def _seconds(time: str) -> float:
    """60, 60s, 5m or 1h, in seconds. Raises UsageError."""
    import re

    from rollcall.errors import UsageError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", time.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"--every {time}: 60, 60s, 5m or 1h is wanted")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _rows(round_: Round) -> list[dict[str, object]]:
    """A row for each school; one without a school for a source of which none could be asked."""
    rows: list[dict[str, object]] = [
        {
            "source": round_.name,
            "school": pulled.source.id,
            "urn": pulled.source.urn,
            "outcome": pulled.outcome,
            "pages": pulled.pages,
            "marks": pulled.marks,
            "deletions": pulled.deletions,
            "references": pulled.references,
            "refused": pulled.refused,
            "why": pulled.why,
        }
        for pulled in round_.pulled
    ]
    if round_.why:
        rows.append({"source": round_.name, "school": None, "urn": None, "outcome": "failed", "why": round_.why})
    return rows


def _print(rows: list[dict[str, object]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    headings = {
        "source": "Source", "school": "School", "urn": "URN", "outcome": "Outcome", "pages": "Pages", "marks": "Marks",
        "deletions": "Deletions", "references": "Reference", "refused": "Refused", "why": "Why",
    }  # fmt: skip
    table = Table(*headings.values(), box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in headings))
    Console().print(table)

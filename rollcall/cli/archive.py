"""`rollcall archive`: the marks' messages, for longer than Kafka keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall archive`."""
    group = typer.Typer(
        no_args_is_help=True, help="Messages for longer than Kafka keeps them: what `rollcall explain --bytes` reads."
    )
    group.command(
        "run",
        epilog="Examples: [bold]rollcall archive run[/bold] archives until Ctrl-C; [bold]rollcall archive run --once"
        "[/bold] what is there. ROLLCALL_ARCHIVE__RETENTION_DAYS says how long messages are kept.",
    )(run)
    group.command("status", epilog="Example: [bold]rollcall archive status --json[/bold]")(status)
    app.add_typer(group, name="archive")


def run(
    once: Annotated[bool, typer.Option("--once", help="Archive what is there, and leave.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
) -> None:
    """Copy the messages of the mark topics into ClickHouse, beside the workers. Several may run; any may be killed.

    Exits 0 when stopped (Ctrl-C, SIGTERM), 1 when something must be looked at first.
    """
    import signal
    import threading

    from rollcall import logging, metrics
    from rollcall.failpoints import FailPoints
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from streams.archiving import Archiver

    settings = Settings.load(home=home) if home is not None else Settings.load()
    logging.configure(settings.observability.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    client = connect(settings.clickhouse)
    archiver = Archiver(settings, client, fail=FailPoints())
    server = metrics.serve(settings.observability.metrics_host, settings.observability.metrics_port, archiver.not_ready)
    try:
        archiver.run(stop, once=once)
    finally:
        server.close()
        client.close()


def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Say what the archive holds, by topic, what it takes on disk, and how long messages are kept."""
    from rollcall.cli._client import answer
    from rollcall.cli._listed import table
    from rollcall.settings import Settings
    from sinks.archive import on_disk, summary

    found, size = answer(lambda client: (summary(client), on_disk(client)))
    days = Settings.load().archive.retention_days
    if as_json:
        topics = [
            {**one._asdict(), "first_at": one.first_at.isoformat(), "last_at": one.last_at.isoformat()} for one in found
        ]
        typer.echo(json.dumps({"topics": topics, "bytes_on_disk": size, "retention_days": days}, indent=2))
        return
    rows = [
        (one.topic, f"{one.messages:,}", f"{one.bytes:,}", f"{one.rewritten:,}", f"{one.first_at:%Y-%m-%d %H:%M}",
         f"{one.last_at:%Y-%m-%d %H:%M}")
        for one in found
    ]  # fmt: skip
    table(("Topic", "Messages", "Bytes", "Rewritten", "First (UTC)", "Last (UTC)"), rows)
    typer.echo(f"{size:,} bytes on disk; kept for {days} days from arrival, and up to a month more")

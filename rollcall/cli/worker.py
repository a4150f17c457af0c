"""`rollcall worker`: marks from Kafka into ClickHouse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall worker`."""
    app.command(
        "worker",
        epilog="Examples: [bold]rollcall worker[/bold] works until Ctrl-C; start it twice and the two share the "
        "schools. [bold]ROLLCALL_WORKER__GROUP=replay rollcall worker[/bold] reads all again under another name.",
    )(worker)


def worker(
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
    group: Annotated[str | None, typer.Option(help="Consumer group, instead of the setting worker.group.")] = None,
    skip_lost: Annotated[
        bool,
        typer.Option("--skip-lost", help="Go on although retention took offsets nobody read; the ledger names them."),
    ] = False,
) -> None:
    """Take marks from Kafka, decide what becomes of each, write history and current state. Several may run.

    Exits 0 when stopped (Ctrl-C, SIGTERM: what is in flight is finished), 1 when something must be looked at first.
    """
    import signal

    import structlog

    from rollcall import logging, metrics
    from rollcall.failpoints import FailPoints
    from rollcall.settings import Settings
    from sinks import reference
    from streams.catching_up import ReferenceBacklog
    from streams.worker import Worker

    overrides = {} if group is None else {"worker": {"group": group}}
    settings = Settings.load(home=home, **overrides) if home is not None else Settings.load(**overrides)
    logging.configure(settings.observability.log_level)
    running = Worker(
        settings, reference, FailPoints(), skip_lost=skip_lost, reference_left=ReferenceBacklog(settings).left
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop())
    server = metrics.serve(settings.observability.metrics_host, settings.observability.metrics_port, running.not_ready)
    structlog.get_logger().info("worker_started", group=settings.worker.group, metrics_port=server.port)
    try:
        running.run()
    finally:
        server.close()
    structlog.get_logger().info("worker_stopped")

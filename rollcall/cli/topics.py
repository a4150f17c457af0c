"""`rollcall topics`: create the topics and say what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall topics`."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="The topics on Kafka.")
    group.callback()(_topics)
    group.command(
        "apply",
        epilog="Examples: [bold]rollcall topics apply --dry-run[/bold] only says what differs; "
        "[bold]rollcall topics apply --retention-days 30 --replication 3[/bold].",
    )(apply)
    app.add_typer(group, name="topics")


def _topics() -> None:
    """The topics on Kafka: made where they are missing, compared where they exist."""


def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Create nothing; say what is missing or differs.")] = False,
    retention_days: Annotated[float, typer.Option(help="How long marks stay on Kafka.", min=0.01)] = 14,
    replication: Annotated[
        int, typer.Option(help="Copies of each partition; -1 takes the broker's default.", min=-1)
    ] = -1,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Create the topics that are missing, and say how those that exist differ from what they should be.

    Exit 1 when an existing topic differs, or with --dry-run when one is missing. Nothing that exists is changed: use
    Kafka's own tools once you have seen what it would do to the consumers.
    """
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from rollcall.errors import KafkaError
    from rollcall.logging import quiet_librdkafka
    from rollcall.settings import Settings
    from schemas import topics

    settings = Settings.load(home=home) if home is not None else Settings.load()
    try:
        differences = topics.apply(
            AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka()),
            dry_run,
            retention_days=retention_days,
            replication=replication,
        )
    except KafkaException as error:
        raise KafkaError(f"Kafka at {settings.kafka.bootstrap}: {error.args[0].str()}") from None
    left = [one for one in differences if dry_run or one.what != "missing"]
    if as_json:
        made = [] if dry_run else [one.topic for one in differences if one.what == "missing"]
        typer.echo(json.dumps({"created": made, "differences": [one._asdict() for one in left]}, indent=2))
    else:
        for one in differences:
            typer.echo(str(one) if one in left else f"{one.topic}: created, {one.wanted}")
        if not differences:
            typer.echo(f"{len(topics.TOPICS)} topics, all as they should be")
    if left:
        raise typer.Exit(1)

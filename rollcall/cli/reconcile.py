"""`rollcall reconcile`: is every message and every mark accounted for?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rollcall.settings import KafkaSettings
    from sinks.reconcile import Reconciliation, Watermark

__all__ = ["register", "show", "watermarks"]

#: Seconds to wait for Kafka's answers.
_TIMEOUT = 10.0


def register(app: typer.Typer) -> None:
    """Add `rollcall reconcile`."""
    app.command(
        "reconcile",
        epilog="Examples: [bold]rollcall reconcile[/bold] while workers run shows the lag too; "
        "[bold]rollcall reconcile --drained[/bold] after the day; [bold]--offline[/bold] asks ClickHouse only.",
    )(reconcile)


def reconcile(
    group: Annotated[str | None, typer.Option(help="Consumer group.", show_default="the worker's")] = None,
    drained: Annotated[
        bool, typer.Option("--drained", help="Nothing more comes: what waits on Kafka is a gap.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Kafka.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Prove, range by range and against the tables, that messages = decoded + undecodable + no record, and that
    marks = accepted + unchanged + quarantined.

    Exit code 1 when something does not fit, with what and where. A range that a worker has in hand does not fit yet."""
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.reconcile import reconcile as account

    settings = Settings.load()
    marks = None if offline else watermarks(settings.kafka)
    client = connect(settings.clickhouse)
    try:
        found = account(client, group or settings.worker.group, marks, drained)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2))
    else:
        show(found)
    if found.gap:
        raise typer.Exit(1)


def watermarks(settings: KafkaSettings) -> dict[tuple[str, int], Watermark]:
    """What Kafka has of each partition of the topics that carry marks, by (topic id, partition).

    Raises KafkaError when Kafka does not answer.
    """
    from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
    from confluent_kafka.admin import AdminClient

    from rollcall.errors import KafkaError
    from schemas.topics import of_kind
    from sinks.reconcile import Watermark

    config = settings.client_config()
    consumer = Consumer({**config, "group.id": "rollcall-reconcile", "enable.auto.commit": False})
    try:
        admin = AdminClient(config)  # kept: a client that is let go fails its pending answers
        there = admin.list_topics(timeout=_TIMEOUT).topics
        names = [name for name in of_kind("attendance") if name in there]
        if not names:
            return {}
        described = admin.describe_topics(TopicCollection(names), request_timeout=_TIMEOUT)
        found = {}
        for name, future in described.items():
            topic = future.result()
            for one in topic.partitions:
                low, high = consumer.get_watermark_offsets(TopicPartition(name, one.id), timeout=_TIMEOUT)
                found[str(topic.topic_id), one.id] = Watermark(name, low, high)
        return found
    except KafkaException as error:
        raise KafkaError(f"Kafka at {settings.bootstrap} does not answer: {error.args[0].str()}") from error
    finally:
        consumer.close()


def show(found: Reconciliation) -> None:
    """Print the account as a person reads it. The demo shows its proof this way too."""
    total = found.total
    typer.echo(
        f"messages {total('messages'):,} = decoded {total('decoded'):,} + undecodable {total('undecodable'):,}"
        f" + no record {total('no_record'):,}"
    )
    typer.echo(
        f"marks    {total('marks'):,} = accepted {total('accepted'):,} + unchanged {total('unchanged'):,}"
        f" + quarantined {total('quarantined'):,}"
    )
    if total("in_both"):
        typer.echo(f"{total('in_both'):,} marks stand in the history and in quarantine; they count as history")
    if any(one.lag is not None for one in found.partitions):
        typer.echo(f"waiting on Kafka: {total('lag'):,} messages")
    if found.gap == 0:
        typer.echo(f"everything accounted for, in {len(found.partitions)} partitions: gap 0")
        return
    typer.secho(f"gap {found.gap:,}", fg=typer.colors.RED)
    for one in found.partitions:
        for problem in one.problems:
            typer.echo(f"  {one.topic}/{one.partition}: {problem}")

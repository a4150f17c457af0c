"""`rollcall reconcile`: is every message and every mark accounted for, and do we hold what the sources hold?"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rollcall.errors import UsageError

if TYPE_CHECKING:
    from rollcall.cli._second_pull import SchoolAccount
    from rollcall.settings import KafkaSettings, Settings
    from sinks.reconcile import Reconciliation, Watermark

__all__ = ["register", "show", "watermarks"]

#: Seconds to wait for Kafka's answers.
_TIMEOUT = 10.0


def register(app: typer.Typer) -> None:
    """Add `rollcall reconcile`."""
    app.command(
        "reconcile",
        epilog="Examples: [bold]rollcall reconcile[/bold] while workers run shows the lag too; "
        "[bold]rollcall reconcile --drained[/bold] after the day; [bold]--offline[/bold] asks ClickHouse only; "
        "[bold]rollcall reconcile --source wonde --window 2025-09-08 2025-09-12[/bold] pulls a week a second time and "
        "compares; [bold]rollcall reconcile --source wonde --by summary[/bold] asks for the source's own counts.",
    )(reconcile)


def reconcile(
    group: Annotated[str | None, typer.Option(help="Consumer group.", show_default="the worker's")] = None,
    drained: Annotated[
        bool, typer.Option("--drained", help="Nothing more comes: what waits on Kafka is a gap.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Kafka.")] = False,
    source: Annotated[
        list[str] | None,
        typer.Option(help="Compare this source with what we hold of it instead; repeat for more."),
    ] = None,
    window: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(help="With --source: first and last session date to compare.", formats=["%Y-%m-%d"]),
    ] = None,
    school: Annotated[
        list[int] | None, typer.Option(help="With --source: only the school of this URN; repeat for more.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="With --source: pull (all of the window again), or summary (of the year so far).")
    ] = "pull",
    today: Annotated[
        datetime | None, typer.Option(help="The day it is, for a day that is played.", formats=["%Y-%m-%d"])
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Prove, range by range and against the tables, that messages = decoded + undecodable + no record, and that
    marks = accepted + unchanged + quarantined; with --source, that we hold what the source holds.

    Exit code 1 when something does not fit, with what and where. A range that a worker has in hand does not fit yet.

    With --source every school is asked a second time, mark by mark or for its own counts, at an eighth of the source's
    rate limit; nothing is published and no cursor moves. Marks in quarantine, and changes since the last pull, are
    counted apart. Exit code 1 also when a school could not be compared."""
    from rollcall.settings import Settings

    settings = Settings.load(home=home) if home is not None else Settings.load()
    if source:
        if group is not None or drained or offline:
            raise UsageError("--source compares with a source: --group, --drained and --offline are of the other proof")
        _with_sources(settings, source, school or [], window, by, today, as_json=as_json)
        return
    if window is not None or school or by != "pull" or today is not None:
        raise UsageError("--window, --school, --by and --today say how to compare with a --source: name one")
    from sinks.clickhouse import connect
    from sinks.reconcile import reconcile as account

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


def _with_sources(
    settings: Settings,
    names: list[str],
    urns: list[int],
    window: tuple[datetime, datetime] | None,
    by: str,
    today: datetime | None,
    *,
    as_json: bool,
) -> None:
    import asyncio

    from connectors.contract import Window
    from rollcall import logging
    from rollcall.cli._second_pull import by_pull, by_summary
    from rollcall.domain.clock import london_date, now
    from rollcall.domain.identity import academic_year, academic_year_days
    from sinks.clickhouse import connect

    day = london_date(now()) if today is None else today.date()
    if by == "pull":
        if window is None:
            raise UsageError("--by pull needs the days to compare: --window 2025-09-08 2025-09-12")
        first, last = window[0].date(), window[1].date()
        if first > last:
            raise UsageError("--window: the first day is later than the last")
    elif by == "summary":
        if window is not None:
            raise UsageError("--by summary compares the academic year so far: leave --window out")
        first, last = academic_year_days(academic_year(day))[0], day
    else:
        raise UsageError("--by is pull or summary")
    logging.configure(settings.observability.log_level)
    client = connect(settings.clickhouse)
    try:
        if by == "pull":
            found = asyncio.run(
                by_pull(settings, client, Window(first, last), names, urns, None if today is None else day)
            )
        else:
            found = asyncio.run(by_summary(settings, client, first, last, names, urns))
    finally:
        client.close()
    _tell(found, {"by": by, "from": first.isoformat(), "until": last.isoformat()}, as_json=as_json)
    if not found or not all(one.proved for one in found):
        raise typer.Exit(1)


def _tell(found: list[SchoolAccount], asked: dict[str, str], *, as_json: bool) -> None:
    from rollcall.cli import _account

    if as_json:
        equal = bool(found) and all(one.proved for one in found)
        document = {**asked, "equal": equal, "schools": _account.as_json(found)}
        typer.echo(json.dumps(document, indent=1))
    elif not found:
        typer.echo("no school to compare: `rollcall sources list` says which are in force")
    else:
        _account.show(found)


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

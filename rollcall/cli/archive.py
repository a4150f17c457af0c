"""`rollcall archive`: the marks' messages, for longer than Kafka keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.archive_missing import Selection

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall archive`."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Messages for longer than Kafka keeps them: what `rollcall explain --bytes` reads, and can be sent again.",
    )
    group.command(
        "run",
        epilog="Examples: [bold]rollcall archive run[/bold] archives until Ctrl-C; [bold]rollcall archive run --once"
        "[/bold] what is there. ROLLCALL_ARCHIVE__RETENTION_DAYS says how long messages are kept.",
    )(run)
    group.command("status", epilog="Example: [bold]rollcall archive status --json[/bold]")(status)
    group.command(
        "replay",
        epilog="Examples: [bold]rollcall archive replay --from '2025-09-08 00:00' --to '2025-09-12 23:59'"
        " --dry-run[/bold] says what is missing; [bold]rollcall archive replay --topic attendance.mis.v1 --partition 3"
        " --from-offset 1042 --to-offset 1817[/bold]. When one would: docs/runbook.md.",
    )(replay)
    app.add_typer(group, name="archive")


def run(
    once: Annotated[bool, typer.Option("--once", help="Archive what is there, and leave.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
) -> None:
    """Copy the messages of the mark topics into ClickHouse, beside the workers. Several may run; any may be killed.

    Exits 0 when stopped (Ctrl-C, SIGTERM), 1 when something must be looked at first.
    """
    from rollcall import metrics
    from rollcall.cli._service import begun
    from rollcall.failpoints import FailPoints
    from sinks.clickhouse import connect
    from streams.archiving import Archiver

    settings, stop = begun(home)
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


def replay(
    topic: Annotated[str, typer.Option(help="Only messages of this topic.", show_default="all mark topics")] = "",
    partition: Annotated[int | None, typer.Option(help="Only of this partition.", min=0)] = None,
    from_offset: Annotated[int | None, typer.Option(help="First offset, of --topic and --partition.", min=0)] = None,
    to_offset: Annotated[int | None, typer.Option(help="Last offset.", min=0)] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Arrived then or later: '2025-09-10 09:00', London time.", metavar="INSTANT"),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Arrived then or before.", metavar="INSTANT")
    ] = None,
    by: Annotated[str, typer.Option(help="Who does it: a role or a staff reference, no name.")] = "data manager",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:  # fmt: skip
    """Send again what of a range of the archive no table holds any more, for the workers to judge as any late message.

    A mark that stands in the history or in quarantine, that was unchanged or erased, is not sent. Each counts once,
    however often this is run."""
    from rollcall.cli import _dates
    from rollcall.cli.quarantine import require_role
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks.archive_range import Range
    from sinks.clickhouse import connect
    from streams.archive_missing import choose
    from streams.archive_replaying import send
    from streams.assignment import MARK_TOPICS

    if topic and topic not in MARK_TOPICS:
        raise UsageError(f"--topic {topic}: the archive holds {', '.join(MARK_TOPICS)}")
    if not topic and (partition is not None or from_offset is not None or to_offset is not None):
        raise UsageError("partitions and offsets are of one topic: say which with --topic")
    require_role(by)
    said = {
        "partition": partition, "first": from_offset, "last": to_offset,
        "since": None if since is None else _dates.instant("--from", since),
        "until": None if until is None else _dates.instant("--to", until),
    }  # fmt: skip
    given = {name: value for name, value in said.items() if value is not None}
    if not given and not topic:
        raise UsageError("say which messages: --from and --to, or --topic, --partition and offsets")
    ranges = [Range(one, **given) for one in ([topic] if topic else MARK_TOPICS)]  # type: ignore[arg-type]
    settings = Settings.load()
    client = connect(settings.clickhouse)
    try:
        found = choose(settings, client, *ranges)
        run = "" if dry_run else send(settings, client, found.missing, by=by)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps({"run": run, **found.as_json()}, indent=2))
    else:
        typer.echo(_said(found, run))


def _said(found: Selection, run: str) -> str:
    done = f"sent again by run {run}" if run else "would be sent again"
    lines = [
        f"{found.messages:,} messages of the range in the archive; nothing is missing of {found.whole:,}",
        f"{found.marks:,} marks of {len(found.missing):,} messages ({found.bytes:,} bytes) {done}",
    ]
    for count, why in (
        (found.without_marks, "of these messages hold no mark, or nobody can read them"),
        (found.repeats, "of these marks were unchanged, as far as is known, at schools that lost others"),
        (found.waiting, "messages are yet to be taken in by the workers"),
        (found.on_their_way, "messages are on their way already"),
        (found.bad_replays, "messages are replays that cannot be believed"),
    ):
        if count:
            lines.append(f"{count:,} {why}")
    return "\n".join(lines)

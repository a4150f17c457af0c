"""`rollcall quarantine`: what is refused for now, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rollcall.settings import Settings
    from sinks.quarantine import Entry, Message

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall quarantine`."""
    group = typer.Typer(no_args_is_help=True, help="What is refused for now: reasons, entries, and the bytes received.")
    group.command(
        "list",
        epilog="Examples: [bold]rollcall quarantine list[/bold] counts by reason and says what to do; "
        "[bold]--reason unknown_pupil[/bold] lists the entries of one.",
    )(list_)
    group.command(
        "show",
        epilog="Example: [bold]rollcall quarantine show attendance.register.v1/3/1042[/bold], a place from "
        "[bold]rollcall quarantine list --reason ...[/bold]",
    )(show)
    app.add_typer(group, name="quarantine")


def list_(
    reason: Annotated[str | None, typer.Option(help="List the entries of this reason.")] = None,
    urn: Annotated[int, typer.Option(help="Only of this school.", show_default="all")] = 0,
    limit: Annotated[int, typer.Option(help="Entries to list at most.", min=1)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Count what is in quarantine, by reason, with what it is, when it matters and how to resolve it."""
    from rollcall.settings import Settings
    from sinks import quarantine
    from sinks.clickhouse import connect

    client = connect(Settings.load().clickhouse)
    try:
        if reason is not None:
            found = quarantine.entries(client, reason, urn, limit)
            if as_json:
                typer.echo(json.dumps([one.as_json() for one in found], indent=2))
            else:
                _print_entries(found)
            return
        reasons = quarantine.summary(client, urn)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in reasons], indent=2))
        return
    if not reasons:
        typer.echo("nothing is in quarantine")
    for one in reasons:
        typer.secho(
            f"{one.reason}: {one.entries:,} in {one.messages:,} messages of {one.schools:,} schools, "
            f"{one.first_seen:%Y-%m-%d %H:%M} to {one.last_seen:%Y-%m-%d %H:%M} UTC",
            bold=True,
        )
        typer.echo(
            f"  What it is: {one.what}\n  When it matters: {one.when_it_matters}\n  What to do: {one.how_to_resolve}"
        )


def show(
    place: Annotated[str, typer.Argument(help="topic/partition/offset", metavar="PLACE")],
    references: Annotated[
        bool, typer.Option("--references", help="Show pupil references and record ids too. They are personal data.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show one message in quarantine: what of it is refused, and what it says, as far as it can be read.

    Pupil references, record ids and codes that may be comments are withheld unless --references is given."""
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks import quarantine
    from sinks.clickhouse import connect

    topic, _, numbers = place.partition("/")
    partition, _, offset = numbers.partition("/")
    if not (topic and partition.isdigit() and offset.isdigit()):
        raise UsageError(f"{place}: a place is topic/partition/offset, as attendance.register.v1/3/1042")
    settings = Settings.load()
    client = connect(settings.clickhouse)
    try:
        message = quarantine.message(client, topic, int(partition), int(offset))
    finally:
        client.close()
    record, unread = _decoded(settings, message)
    if record is not None and not references:
        record = quarantine.without_pupils(record)
    document = {
        "place": place,
        "key": message.key.decode("utf-8", "replace"),
        "bytes": None if message.value is None else len(message.value),
        "produced_at": message.produced_at.isoformat(),
        "ingested_at": message.ingested_at.isoformat(),
        "entries": [one.as_json() for one in message.entries],
        "record": record,
        "not_read_because": unread,
        **({"value_hex": None if message.value is None else message.value.hex()} if references else {}),
    }
    if as_json:
        typer.echo(json.dumps(document, indent=2, default=str))
        return
    size = "no value" if message.value is None else f"{len(message.value):,} bytes"
    typer.secho(
        f"{place}, key {document['key']}, {size}, produced {message.produced_at:%Y-%m-%d %H:%M:%S} UTC", bold=True
    )
    _print_entries(message.entries)
    if record is None:
        typer.echo(f"cannot be read: {unread}")
    else:
        typer.echo(json.dumps(record, indent=2, default=str, ensure_ascii=False))
    if references and message.value is not None:
        typer.echo(f"bytes: {message.value.hex()}")


def _decoded(settings: Settings, message: Message) -> tuple[Any, str]:
    """What the message says and '', or None and why it cannot be read."""
    import fastavro

    from schemas import wire
    from schemas.registry import Registry, RegistryAway, UnknownSchemaId

    if message.value is None:
        return None, "it has no value"
    try:
        schema_id = wire.schema_id(message.value)
        with Registry(settings.registry.url) as registry:
            writer = dict(fastavro.parse_schema(registry.get(schema_id)))  # type: ignore[arg-type]
        return wire.decode(writer, message.value), ""
    except (UnknownSchemaId, RegistryAway, ValueError) as error:
        return None, str(error)


def _print_entries(found: tuple[Entry, ...] | list[Entry]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("Place", "Item", "Reason", "School", "Source", "Session", "Detail", box=box.SIMPLE_HEAD)
    for one in found:
        when = f"{one.session_date} {one.session}" if one.session_date.year > 1970 else "–"
        item = "all" if one.item < 0 else str(one.item)
        place = f"{one.topic}/{one.partition}/{one.offset}"
        table.add_row(place, item, one.reason, str(one.urn or "–"), one.source, when, one.detail)
    console = Console()
    console.width = max(console.width, 120)
    console.print(table)

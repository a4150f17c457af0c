"""How `rollcall quarantine` prints entries, their stories, and exceptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from rollcall.cli._listed import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.settings import Settings
    from sinks.exceptions import Exceptional, Found
    from sinks.quarantine import Entry, Message, Reason
    from sinks.quarantine_trail import Step

__all__ = ["document", "print_entries", "print_exceptions", "print_message", "print_places", "print_reasons"]


def print_reasons(reasons: Sequence[Reason]) -> None:
    """Reasons, each with the three sentences."""
    if not reasons:
        typer.echo("nothing is in quarantine")
    for one in reasons:
        typer.secho(
            f"{one.reason}: {one.entries:,} in {one.messages:,} messages of {one.schools:,} schools, "
            f"{one.first_seen:%Y-%m-%d %H:%M} to {one.last_seen:%Y-%m-%d %H:%M} UTC",
            bold=True,
        )
        _print_sentences(one)


def print_exceptions(found: Sequence[Exceptional]) -> None:
    """Exceptions, each with the three sentences."""
    if not found:
        typer.echo("no findings about accepted marks")
    for one in found:
        typer.secho(
            f"{one.exception}: {one.found:,} at {one.schools:,} schools, {one.first_day} to {one.last_day}", bold=True
        )
        _print_sentences(one)


def print_entries(found: Sequence[Entry]) -> None:
    """Entries, a line each."""
    rows = []
    for one in found:
        when = f"{one.session_date} {one.session}" if one.session_date.year > 1970 else "–"
        item = "all" if one.item < 0 else str(one.item)
        stands = one.state + (f", {one.attempts} attempts" if one.attempts else "")
        rows.append(
            (f"{one.topic}/{one.partition}/{one.offset}", item, one.reason, stands, str(one.urn or "–"), one.source,
             when, one.detail)
        )  # fmt: skip
    wrapped(("Place", "Item", "Reason", "Stands", "School", "Source", "Session", "Detail"), rows)


def print_places(found: Sequence[Found]) -> None:
    """Where an exception stands, a line each."""
    rows = []
    for one in found:
        place = f"{one.topic}/{one.partition}/{one.offset}" if one.topic else "–"
        item = "–" if not one.topic else "all" if one.item < 0 else str(one.item)
        rows.append((f"{one.session_date} {one.session}", str(one.urn), one.source or "–", place, item))
    wrapped(("Session", "School", "Source", "Place", "Item"), rows)


def document(settings: Settings, message: Message, references: bool) -> dict[str, Any]:
    """What `rollcall quarantine show --json` prints; `references`: pupils' and the bytes too."""
    from sinks.quarantine import without_pupils
    from sinks.quarantine_trail import step_as_json

    record, unread = _decoded(settings, message)
    if record is not None and not references:
        record = without_pupils(record)
    return {
        "place": f"{message.topic}/{message.partition}/{message.offset}",
        "key": message.key.decode("utf-8", "replace"),
        "bytes": None if message.value is None else len(message.value),
        "produced_at": message.produced_at.isoformat(),
        "ingested_at": message.ingested_at.isoformat(),
        "entries": [one.as_json() for one in message.entries],
        "story": [step_as_json(one) for one in message.steps],
        "record": record,
        "not_read_because": unread,
        **({"value_hex": None if message.value is None else message.value.hex()} if references else {}),
    }


def print_message(message: Message, shown: dict[str, Any]) -> None:
    """A message, its entries with their stories, and what it says; `shown`: its `document`."""
    size = "no value" if message.value is None else f"{len(message.value):,} bytes"
    typer.secho(
        f"{shown['place']}, key {shown['key']}, {size}, produced {message.produced_at:%Y-%m-%d %H:%M:%S} UTC", bold=True
    )
    print_entries(message.entries)
    for entry in message.entries:
        typer.echo(f"{_item(entry.item)}:")
        typer.echo(f"  {entry.ingested_at:%Y-%m-%d %H:%M:%S} UTC  refused: {entry.first_reason or entry.reason}")
        for step in message.steps:
            if step.item == entry.item:
                typer.echo(f"  {step.at:%Y-%m-%d %H:%M:%S} UTC  {_step(message, step)}")
        typer.echo(f"  {entry.state}")
    if shown["record"] is None:
        typer.echo(f"cannot be read: {shown['not_read_because']}")
    else:
        typer.echo(json.dumps(shown["record"], indent=2, default=str, ensure_ascii=False))
    if shown.get("value_hex") is not None:
        typer.echo(f"bytes: {shown['value_hex']}")


def _step(message: Message, step: Step) -> str:
    place = f"{message.topic}/{step.replayed_partition}/{step.replayed_offset}"
    if step.what == "sent":
        return f"sent again as {place} by {step.by} (run {step.run})"
    if step.what == "discarded":
        return f"discarded by {step.by} (run {step.run}): {step.why}"
    taken = step.outcome in ("accepted", "unchanged")
    return f"{step.outcome if taken else 'refused again: ' + step.outcome}, as {place} (run {step.run})"


def _item(item: int) -> str:
    return "the whole message" if item < 0 else f"item {item}"


def _print_sentences(one: Reason | Exceptional) -> None:
    typer.echo(
        f"  What it is: {one.what}\n  When it matters: {one.when_it_matters}\n  What to do: {one.how_to_resolve}"
    )


def _decoded(settings: Settings, message: Message) -> tuple[Any, str]:
    """What the message says and '', or None and why it cannot be read."""
    from schemas.decoding import Decoder
    from schemas.registry import Registry, RegistryAway, UnknownSchemaId

    if message.value is None:
        return None, "it has no value"
    try:
        with Registry(settings.registry.url) as registry:
            return Decoder(registry).decode(message.value), ""
    except (UnknownSchemaId, RegistryAway, ValueError) as error:
        return None, str(error)

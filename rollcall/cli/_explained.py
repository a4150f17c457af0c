"""How `rollcall explain` puts its documents together and prints them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import typer

from rollcall.cli._listed import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from rollcall.settings import Settings
    from sinks.deliveries import Delivery
    from sinks.explaining import Explained
    from sinks.mark_stories import Story
    from streams.repeated import Repeat

__all__ = ["cell_document", "print_cell", "print_story", "story_document"]


def cell_document(settings: Settings, client: Client, found: Explained, *, with_bytes: bool) -> dict[str, Any]:
    """The document of `rollcall explain --json`."""
    document = found.as_json()
    pairs = [
        (one.delivery, listed["delivery"])
        for one, listed in zip(found.marks, document["marks"], strict=True)
        if one.delivery is not None
    ]
    _tell_messages(settings, client, pairs, with_bytes=with_bytes)
    return document


def story_document(
    settings: Settings, client: Client, told: Story, repeated: Sequence[Repeat], *, with_bytes: bool
) -> dict[str, Any]:
    """The document of `rollcall explain mark --json`."""
    document = {**told.as_json(), "unchanged_repeats": [one.as_json() for one in repeated]}
    pairs = list(zip((one.delivery for one in told.steps), document["deliveries"], strict=True))
    _tell_messages(settings, client, pairs, with_bytes=with_bytes)
    return document


def _tell_messages(
    settings: Settings, client: Client, pairs: Sequence[tuple[Delivery, dict[str, Any]]], *, with_bytes: bool
) -> None:
    """Put the schema's name into each document of a delivery; with the bytes also what its message says."""
    from streams import kept_messages

    names = kept_messages.Names(settings)
    try:
        for one, document in pairs:
            document["message"]["schema"] = names.of(one.topic, one.schema_id)
        if with_bytes:
            kept = kept_messages.bytes_of(settings, client, {one.place: one.topic for one, _ in pairs})
            decoder = names.decoder()
            for one, document in pairs:
                document["record_id"] = one.record_id
                document["message"]["content"] = _content(decoder, kept[one.place], one.item)
    finally:
        names.close()


def _content(decoder: Any, kept: Any, item: int) -> dict[str, Any]:
    """What a message says of its one item; of the other pupils in it only how many there are."""
    from streams.kept_messages import decoded, item_of

    if not kept.held_by:
        return {"held_by": None, "missing_because": kept.missing_because}
    record, unread = decoded(decoder, kept.value)
    said: dict[str, Any] = {
        "held_by": kept.held_by,
        "rewritten_by_erasure": kept.rewritten,
        "bytes": None if kept.value is None else len(kept.value),
        "sha256": None if kept.value is None else hashlib.sha256(kept.value).hexdigest(),
    }
    if record is None:
        return {**said, "not_read_because": unread}
    lists = {name: len(value) for name, value in record.items() if isinstance(value, list)}
    facts = {name: value for name, value in record.items() if not isinstance(value, list)}
    amendments = [one for one in record.get("amendments") or () if one.get("item") == item]
    return {**said, "record": {**facts, "lists": lists, "item": item_of(record, item), "amendments": amendments}}


def print_cell(found: Explained, document: dict[str, Any], limit: int) -> None:
    """A cell, its parts, and what each is."""
    cell = found.cell
    of = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in _of_whom(document["cell"]))
    typer.secho(f"{cell.column.name} on {cell.day} ({of}): {found.figure:,}", bold=True)
    typer.echo(
        f"Basis: {cell.basis}. Counted: {'the headline' if cell.headline else 'all pupils of all schools'};"
        f" sessions that have begun. Schools: {found.schools_reported:,} of {found.schools_expected:,} expected."
        f" By {found.by.by}; publication {found.publication}."
    )
    if found.excluded:
        typer.echo(f"Published series leave this day out: {found.excluded}.")
    if cell.urn:
        _print_marks(found, document)
    elif found.schools:
        wrapped(
            ("School", "URN", "Part"), [(one.school, str(one.urn), f"{one.part:,}") for one in found.schools[:limit]]
        )
        if len(found.schools) > limit:
            typer.echo(f"and {len(found.schools) - limit:,} more schools; --limit or --json list them")
    if found.equal:
        typer.echo(f"The marks of {len(found.schools):,} schools add up to {found.parts:,}: the same.")
    else:
        typer.secho(
            f"The marks add up to {found.parts:,}, not to {found.figure:,}: `rollcall verify` says where.",
            fg=typer.colors.RED,
        )


def _of_whom(cell: dict[str, Any]) -> list[tuple[str, Any]]:
    names = ("school", "la", "phase", "trust", "year_group", "session")
    return [(name, cell[name]) for name in names if cell[name] is not None]


def _print_marks(found: Explained, document: dict[str, Any]) -> None:
    for one, listed in zip(found.marks, document["marks"], strict=True):
        lost = "; ".join(f"{loser.code or loser.raw_code} of {loser.source}" for loser in one.lost)
        alias = listed["counts_for_another_by_alias"] and one.delivery is not None
        typer.echo(
            f"  {one.session} {one.code or f'{one.raw_code} (unmapped)'} of {one.source}, pupil {one.pupil_id}:"
            f" {one.rule}"
            + (f" (lost: {lost})" if lost else "")
            + (f"; came for pupil {one.delivery.pupil_id}, by alias" if alias and one.delivery else "")
        )
        typer.echo(f"    delivery {one.event_id}, {_message(listed['delivery'])}")
    if found.parts > len(found.marks):
        typer.echo(f"  and {found.parts - len(found.marks):,} more marks; --limit lists them")
    _print_contents([listed["delivery"] for listed in document["marks"] if listed["delivery"]])


def print_story(told: Story, document: dict[str, Any]) -> None:
    """A mark's story, a paragraph for each delivery."""
    lesson = f", lesson {told.period}" if told.period else ""
    typer.secho(f"Pupil {told.pupil_id}, school {told.urn}, {told.day} {told.session}{lesson}", bold=True)
    for listed in document["deliveries"]:
        code = "deletion" if listed["is_deletion"] else listed["code_on_arrival"] or f"{listed['raw_code']} (unmapped)"
        if (amendment := listed["amendment"]) is not None:
            code += f", amended from {amendment['from']} ({amendment['reason']})"
        did = listed["did"] + (f" by {listed['rule']}" if listed["rule"] else "")
        did += f", delivery {listed['by']}" if listed["by"] else ""
        if listed["first_refused_at"]:
            did += f"; first refused as {listed['first_refused_at']}, sent again by run {listed['replayed_by']}"
        if listed["first_delivered_at"]:
            did += f"; first delivered as {listed['first_delivered_at']}, sent again by run {listed['replayed_by']}"
        typer.echo(f"  {listed['source']} said {code}, as of {_minute(listed['asserted_at'])} UTC: {did}")
        typer.echo(
            f"    delivery {listed['event_id']}, taken in {_minute(listed['ingested_at'])} UTC, {_message(listed)}"
        )
    for one in document["unchanged_repeats"]:
        typer.echo(
            f"  {one['source']} said the same again as of {_minute(one['asserted_at'])} UTC"
            f" ({one['topic']}/{one['partition']}/{one['offset']})"
        )
    for counts in told.counts:
        who = "" if counts.pupil_id == told.pupil_id and len(told.counts) == 1 else f" for {counts.pupil_id}"
        if counts.is_mark:
            code = counts.code or f"{counts.raw_code} (unmapped)"
            typer.echo(
                f"Counts now{who}: {code} of {counts.source}, chosen by {counts.rule} (delivery {counts.event_id},"
                f" publication {counts.publication})."
            )
        else:
            typer.echo(f"Counts now{who}: nothing.")
    for _, event_id, rule in told.live:
        if rule != "statutory":
            typer.echo(f"In the live basis: delivery {event_id}, by {rule}.")
    if told.period and not told.counts:
        typer.echo("A mark of a lesson counts in no figure (rule 7).")
    _print_contents(document["deliveries"])


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _message(delivery: dict[str, Any] | None) -> str:
    if delivery is None:
        return "–"
    message = delivery["message"]
    schema = message["schema"]
    known = f"{schema['name']} {schema['version']}" if schema["name"] else f"schema {schema['id']}"
    return f"{message['topic']}/{message['partition']}/{message['offset']} item {message['item']}, {known}"


def _print_contents(deliveries: Sequence[dict[str, Any]]) -> None:
    """What the messages say, where they were asked for."""
    for one in deliveries:
        if (content := one["message"].get("content")) is None:
            continue
        typer.secho(_message(one), bold=True)
        if content["held_by"] is None:
            typer.echo(f"  no bytes: {content['missing_because']}")
            continue
        again = ", written again by an erasure" if content["rewritten_by_erasure"] else ""
        typer.echo(
            f"  {content['bytes']} bytes, from the archive{again}"
            if content["held_by"] == "archive"
            else f"  {content['bytes']} bytes, from Kafka"
        )
        if "record" in content:
            typer.echo(json.dumps(content["record"], indent=2, default=str, ensure_ascii=False))
        else:
            typer.echo(f"  cannot be read: {content['not_read_because']}")

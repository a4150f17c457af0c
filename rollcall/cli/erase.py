"""`rollcall erase` and `rollcall retention`: taking data about pupils out again (docs/data-protection.md)."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from connectors.kafka_copies import Copy
    from rollcall.settings import Settings

__all__ = ["register"]

_Named = Mapping[int, set[tuple[str, str]]]


def register(app: typer.Typer) -> None:
    """Add `rollcall erase` and `rollcall retention`."""
    app.command(
        "erase",
        epilog="Examples: [bold]rollcall erase 110001/mis/A12 --dry-run[/bold] says what is held; "
        "[bold]rollcall erase 6417523388517 --reason 'request 2026-014'[/bold] takes it out. The MIS gives a pupil "
        "again whom it still lists: begin there.",
    )(erase)
    app.command(
        "retention",
        epilog="Examples: [bold]rollcall retention[/bold] only counts; [bold]--apply[/bold] deletes.",
    )(retention)


def erase(
    who: Annotated[str, typer.Argument(help="A pupil_id, or URN/SCHEME/REF.", metavar="PUPIL")],
    reason: Annotated[str, typer.Option(help="Why, for the record; without the pupil.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is held.")] = False,
    keep_kafka: Annotated[
        bool, typer.Option("--keep-kafka", help="Leave marks on Kafka until its own retention takes them.")
    ] = False,
    although_on_roll: Annotated[
        bool, typer.Option("--although-on-roll", help="Even though a roster has the pupil on roll today.")
    ] = False,
    wait: Annotated[float, typer.Option(help="Seconds for workers to forget the pupil.", min=0)] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Erase a pupil from history, current state, counts, quarantine, receipts, rosters, crosswalk, Kafka and archive.

    Kafka's messages hold many pupils: all that is older than the last message about this one is deleted from its
    partition, once it is in ClickHouse. Counts of the pupil's sessions are made again without them. Killed half way,
    the same command finishes it. Exit code 1 when something is left."""
    from connectors import kafka_copies
    from rollcall.domain.clock import london_date, now
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks import erasure
    from sinks.clickhouse import connect
    from streams.erasing import untaken
    from streams.erasing_archive import unarchived

    settings = Settings.load()
    client = connect(settings.clickhouse)
    try:
        pupils = {one: erasure.names(client, one) for one in erasure.numbers(client, erasure.pupil(client, who))}
        named = _together(pupils)
        copies = kafka_copies.find(settings, named)
        if dry_run:
            _say(as_json, held=_left(settings, client, pupils), kafka=_by_topic(copies))
            return
        if not reason:
            raise UsageError("say why with --reason: it is kept, the pupil is not")
        today = london_date(now())
        on_roll = sorted({urn for one in pupils for urn in erasure.schools_on_roll(client, one, today)})
        if on_roll and not although_on_roll:
            raise UsageError(
                f"on roll today at {', '.join(map(str, on_roll))}: the next roster would bring the pupil back. Take"
                " them out at the source first, or say --although-on-roll"
            )
        places = [(one.topic, one.partition, one.offset) for one in copies]
        if late := untaken(settings, client, places):
            raise UsageError(f"{late} messages about the pupil are not taken in yet: start the workers, then try again")
        if not keep_kafka and (late := unarchived(settings, places)):
            raise UsageError(f"{late} messages about the pupil are not archived yet: rollcall archive run --once")
        erased = _erase(settings, client, pupils, copies, keep_kafka=keep_kafka, wait=wait)
        erasure.record(client, "pupil", reason, date(1970, 1, 1), erased)
        left = _left(settings, client, pupils)
        on_kafka = _by_topic(kafka_copies.find(settings, named))
        _say(as_json, erased=erased, held=left, kafka=on_kafka)
    finally:
        client.close()
    # Older rosters go when Kafka compacts the topic, a week later at most.
    if left or (on_kafka.keys() - {kafka_copies.ROSTERS} and not keep_kafka):
        raise typer.Exit(1)


def _erase(
    settings: Settings, client: Client, pupils: Mapping[int, _Named], copies: Sequence[Copy], *, keep_kafka: bool,
    wait: float,
) -> dict[str, int]:  # fmt: skip
    """Workers forget the pupil first, so that nothing comes after; then Kafka, quarantine, archive, the tables."""
    from connectors import kafka_copies
    from schemas.registry import Registry
    from sinks import erasure
    from streams.erasing import mask_quarantine, reasserted
    from streams.erasing_archive import mask_archive, withhold_copies

    named = _together(pupils)
    for pupil_id, names in pupils.items():
        erasure.forget(client, pupil_id, list(names))
    kafka_copies.rosters_without(settings, copies, named)
    if len(pupils) > 1:
        kafka_copies.aliases_without(settings, list(pupils))
    withhold_copies(settings, client, [(one.topic, one.partition, one.offset) for one in copies])
    time.sleep(wait)
    if not keep_kafka:
        kafka_copies.delete(settings, copies)
    with Registry(settings.registry.url) as registry:
        erased = Counter(
            quarantine_message=mask_quarantine(client, registry, named),
            message_archive=mask_archive(client, registry, named),
        )
    for pupil_id, names in pupils.items():
        erased.update(erasure.erase(client, pupil_id, names, reasserted(client, pupil_id)))
    return {table: rows for table, rows in erased.items() if rows}


def _together(pupils: Mapping[int, _Named]) -> dict[int, set[tuple[str, str]]]:
    """URN -> what the pupil is called there, under any number."""
    named: dict[int, set[tuple[str, str]]] = {}
    for names in pupils.values():
        for urn, references in names.items():
            named.setdefault(urn, set()).update(references)
    return named


def _left(settings: Settings, client: Client, pupils: Mapping[int, _Named]) -> dict[str, int]:
    from schemas.registry import Registry
    from sinks.erasure import remains
    from streams.erasing_archive import archived

    found: Counter[str] = Counter()
    for pupil_id, names in pupils.items():
        found.update(remains(client, pupil_id, names))
    with Registry(settings.registry.url) as registry:
        if messages := archived(client, registry, _together(pupils)):
            found["message_archive"] = messages
    return dict(found)


def retention(
    years: Annotated[int, typer.Option(help="Years to keep; the law asks for six.", min=6)] = 6,
    apply: Annotated[bool, typer.Option("--apply", help="Delete. Without it, only count.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Delete what is older than must be kept: whole months of sessions, and what was taken in before.

    Kafka keeps marks for days only (`rollcall topics apply --retention-days`)."""
    from rollcall.domain.clock import london_date, now
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.retention import first_day_kept, keep

    before = first_day_kept(london_date(now()), years)
    client = connect(Settings.load().clickhouse)
    try:
        rows = keep(client, before, f"older than {years} years", dry_run=not apply)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps({"before": before.isoformat(), "deleted": apply, "rows": rows}, indent=2))
        return
    typer.echo(f"before {before}: {'deleted' if apply else 'would delete'} {sum(rows.values()):,} rows")
    _list(rows)


def _by_topic(copies: Iterable[Copy]) -> dict[str, int]:
    return dict(Counter(one.topic for one in copies))


def _say(as_json: bool, *, held: dict[str, int], kafka: dict[str, int], erased: dict[str, int] | None = None) -> None:
    if as_json:
        said = {"rows_left" if erased is not None else "rows_held": held, "messages_on_kafka": kafka}
        typer.echo(json.dumps(said if erased is None else {"rows_erased": erased, **said}, indent=2))
        return
    if erased is not None:
        typer.echo(f"erased {sum(erased.values()):,} rows")
        _list(erased)
    typer.echo(f"{sum(held.values()):,} rows are {'held' if erased is None else 'left'}")
    _list(held)
    typer.echo(f"{sum(kafka.values()):,} messages on Kafka")
    _list(kafka)


def _list(rows: Mapping[str, int]) -> None:
    for name, number in sorted(rows.items()):
        typer.echo(f"  {name}: {number:,}")

"""`rollcall quarantine`: what is refused for now, why, and what is done about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sinks.quarantine_trail import Filter, Selection

__all__ = ["register", "require_role"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
OfReason = Annotated[str, typer.Option("--reason", help="Only entries refused for this reason.", show_default="any")]
OfSource = Annotated[str, typer.Option("--source", help="Only of this source.", show_default="any")]
OfUrn = Annotated[int, typer.Option("--urn", help="Only of this school.", show_default="all")]
Since = Annotated[
    str | None,
    typer.Option(help="Only first refused from then on: 2025-09-10T09:00, London time.", metavar="INSTANT"),
]
By = Annotated[str, typer.Option(help="Who does it: a role or a staff reference, no name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall quarantine`."""
    group = typer.Typer(
        no_args_is_help=True, help="What is refused for now: reasons, entries, bytes received, replay and discard."
    )
    group.command(
        "list",
        epilog="Examples: [bold]rollcall quarantine list[/bold] counts by reason and says what to do; "
        "[bold]--reason unknown_pupil[/bold] lists the entries of one; [bold]--closed[/bold] what came in since.",
    )(list_)
    group.command(
        "show",
        epilog="Example: [bold]rollcall quarantine show attendance.register.v1/3/1042[/bold], a place from "
        "[bold]rollcall quarantine list --reason ...[/bold]",
    )(show)
    group.command(
        "replay",
        epilog="Example: [bold]rollcall quarantine replay --reason unknown_pupil --urn 140013 --dry-run[/bold]. What "
        "late reference data explains is sent again by itself: docs/runbook.md.",
    )(replay)
    group.command(
        "discard",
        epilog='Example: [bold]rollcall quarantine discard --reason malformed_code --reason-text "comments; the source '
        'is corrected" --dry-run[/bold]',
    )(discard)
    group.command(
        "exceptions",
        epilog="Examples: [bold]rollcall quarantine exceptions --from 2025-09-08 --to 2025-09-12[/bold]; "
        "[bold]--exception not_on_roll[/bold] says where.",
    )(exceptions)
    app.add_typer(group, name="quarantine")


def list_(
    reason: Annotated[str | None, typer.Option(help="List the entries of this reason.")] = None,
    urn: Annotated[int, typer.Option(help="Only of this school.", show_default="all")] = 0,
    all_: Annotated[bool, typer.Option("--all", help="Open and closed ones.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Those taken since, and those discarded.")] = False,
    limit: Annotated[int, typer.Option(help="Entries to list at most.", min=1)] = 100,
    as_json: Json = False,
) -> None:
    """Count what is in quarantine, by reason, with what it is, when it matters and how to resolve it.

    Open entries unless told otherwise: an entry is open until it was taken on replay or discarded."""
    from rollcall.cli import _quarantined
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks import quarantine
    from sinks.clickhouse import connect

    if all_ and closed:
        raise UsageError("--all or --closed, not both")
    states = quarantine.ALL if all_ else quarantine.CLOSED if closed else quarantine.OPEN
    client = connect(Settings.load().clickhouse)
    try:
        if reason is not None:
            entries = quarantine.entries(client, reason, urn, limit, states)
        else:
            reasons = quarantine.summary(client, urn, states)
    finally:
        client.close()
    if reason is not None:
        if as_json:
            typer.echo(json.dumps([one.as_json() for one in entries], indent=2))
        else:
            _quarantined.print_entries(entries)
    elif as_json:
        typer.echo(json.dumps([one.as_json() for one in reasons], indent=2))
    else:
        _quarantined.print_reasons(reasons)


def show(
    place: Annotated[str, typer.Argument(help="topic/partition/offset", metavar="PLACE")],
    references: Annotated[
        bool, typer.Option("--references", help="Show pupil references and record ids too. They are personal data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one message in quarantine: what of it was refused, what was done about it, and what it says.

    Pupil references, record ids and codes that may be comments are withheld unless --references is given."""
    from rollcall.cli import _quarantined
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
    document = _quarantined.document(settings, message, references)
    if as_json:
        typer.echo(json.dumps(document, indent=2, default=str))
    else:
        _quarantined.print_message(message, document)


def replay(
    reason: OfReason = "",
    source: OfSource = "",
    urn: OfUrn = 0,
    since: Since = None,
    by: By = "data manager",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send open entries again: the bytes as received, to be judged by what is known now. Each counts once.

    Entries whose replay is on its way are left alone. An entry that is refused again stays open, with the attempt."""
    from rollcall.settings import Settings
    from sinks.clickhouse import connect
    from sinks.quarantine_trail import choose, new_run, selection_as_json
    from streams.assignment import MARK_TOPICS
    from streams.replaying import send

    wanted = _filter(reason, source, urn, since)
    require_role(by)
    settings = Settings.load()
    client = connect(settings.clickhouse)
    run = "" if dry_run else new_run()
    try:
        selection = choose(client, wanted, list(MARK_TOPICS))
        without = 0 if dry_run else send(settings, client, selection.chosen, run=run, by=by).without_bytes
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps({"run": run, **selection_as_json(selection), "without_bytes": without}, indent=2))
        return
    typer.echo(_said("would be sent again" if dry_run else f"sent again by run {run}", selection))
    if without:
        typer.echo(f"{without:,} messages could not be sent: their bytes are gone")


def discard(
    reason_text: Annotated[str, typer.Option("--reason-text", help="Why, in a line; kept with the entries. No names.")],
    reason: OfReason = "",
    source: OfSource = "",
    urn: OfUrn = 0,
    since: Since = None,
    by: By = "data manager",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Close open entries for good. They stay countable and visible, with who, when and why: list --closed."""
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks import quarantine_trail
    from sinks.clickhouse import connect

    if not (reason or source or urn or since):
        raise UsageError("say which entries: --reason, --source, --urn or --since; nothing discards all of them")
    wanted = _filter(reason, source, urn, since)
    require_role(by)
    client = connect(Settings.load().clickhouse)
    run = "" if dry_run else quarantine_trail.new_run()
    try:
        selection = quarantine_trail.choose(client, wanted, None)
        if not dry_run:
            quarantine_trail.discard(client, selection.chosen, run, by, reason_text)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps({"run": run, **quarantine_trail.selection_as_json(selection)}, indent=2))
        return
    typer.echo(_said("would be discarded" if dry_run else f"discarded by run {run}", selection))


def exceptions(
    first: Annotated[str, typer.Option("--from", help="First session date.", metavar="YYYY-MM-DD")],
    last: Annotated[str | None, typer.Option("--to", help="Last session date; the first when not given.")] = None,
    exception: Annotated[str | None, typer.Option(help="List where this one stands.")] = None,
    urn: Annotated[int, typer.Option(help="Only of this school.", show_default="all")] = 0,
    limit: Annotated[int, typer.Option(help="Places to list at most.", min=1)] = 100,
    as_json: Json = False,
) -> None:
    """Count findings about marks that were accepted: what each is, when it matters and how to resolve it."""
    from rollcall.cli import _quarantined
    from rollcall.cli._dates import day
    from rollcall.settings import Settings
    from sinks import exceptions as findings
    from sinks.clickhouse import connect

    days = (day("--from", first), day("--to", last or first))
    client = connect(Settings.load().clickhouse)
    listed: Sequence[findings.Exceptional | findings.Found]
    try:
        if exception is None:
            listed = summary = findings.summary(client, *days, urn)
        else:
            listed = places = findings.found(client, exception, *days, urn, limit)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps([one.as_json() for one in listed], indent=2))
    elif exception is None:
        _quarantined.print_exceptions(summary)
    else:
        _quarantined.print_places(places)


def _filter(reason: str, source: str, urn: int, since: str | None) -> Filter:
    from rollcall.domain.clock import parse_local
    from rollcall.errors import UsageError
    from sinks.quarantine_trail import Filter

    try:
        instant = None if since is None else parse_local(since).instant
    except ValueError:
        raise UsageError(f"--since {since}: an instant is written 2025-09-10T09:00, in London time") from None
    return Filter(reason, source, urn, instant)


def require_role(by: str) -> None:
    """Raises UsageError when `--by` is nothing that may stand beside what was done."""
    from rollcall.errors import UsageError

    if not by.strip() or len(by) > 100 or not by.isprintable() or by == "healing":
        raise UsageError(f"--by {by}: a role or a staff reference of at most 100 characters")


def _said(done: str, selection: Selection) -> str:
    left = selection.left
    lines = [f"{selection.entries:,} entries of {len(selection.chosen):,} messages {done}"]
    for count, why in (
        (left.on_their_way, "are on their way already"),
        (left.of_other_topics, "are no marks: reference data and kiosk events are sent again by who sent them"),
        (left.bad_replays, "are replays that cannot be believed: discard them"),
    ):
        if count:
            lines.append(f"{count:,} entries {why}")
    return "\n".join(lines)

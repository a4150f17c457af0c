"""`rollcall codes`: what raw codes mean, as data: shown, compared before it is published, published, rolled back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall.cli._client import answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.domain.codes import MapEntry
    from sinks.code_maps import CodeMap

__all__ = ["register"]

File = Annotated[Path, typer.Argument(help="The map, as `rollcall codes show --csv` prints it.", metavar="FILE")]
Scheme = Annotated[str, typer.Option(help="Whose raw codes: national, or a dialect.")]
TheirScheme = Annotated[str, typer.Option("--scheme", help="Whose raw codes: national, or a dialect.")]
Author = Annotated[str, typer.Option(help="Who publishes: a role or a staff reference, no name.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; kept with the map.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall codes`."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode="rich", help="What raw codes mean: the code maps, and what they change."
    )
    group.command(
        "show",
        epilog="Examples: [bold]rollcall codes show[/bold]; "
        "[bold]rollcall codes show --scheme trust-dialect --csv > map.csv[/bold] to change it; "
        "[bold]rollcall codes show --date 2024-08-18[/bold] what each code meant that day.",
    )(show)
    group.command("history", epilog="Example: [bold]rollcall codes history --scheme national --json[/bold]")(history)
    group.command(
        "diff",
        epilog="Example: [bold]rollcall codes diff map.csv --scheme trust-dialect --from 2025-09-08 --to 2025-09-12"
        "[/bold].",
    )(diff)
    group.command(
        "publish",
        epilog="Example: [bold]rollcall codes publish map.csv --scheme trust-dialect --author 'data manager' "
        "--reason 'xx is the dialect of O'[/bold]. The reference loader ([bold]rollcall reference run[/bold]) brings "
        "it in force.",
    )(publish)
    group.command(
        "rollback",
        epilog="Example: [bold]rollcall codes rollback --scheme national --author 'data manager' --reason 'J is not J1'"
        "[/bold].",
    )(rollback)
    app.add_typer(group, name="codes")


def show(
    scheme: Scheme = "national",
    at: Annotated[
        str | None,
        typer.Option(
            help="As it was in force at this instant; London where it has no offset.", metavar="YYYY-MM-DDTHH:MM",
            show_default="now",
        ),
    ] = None,
    day: Annotated[
        str | None, typer.Option("--date", help="Only what holds on this session date.", metavar="YYYY-MM-DD")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a file as publish and diff read it.")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show the map in force for a scheme: what each raw code means, on which session dates."""
    from connectors.code_maps import written
    from rollcall.cli import _dates
    from rollcall.cli._code_changes import entry
    from rollcall.domain.code_maps import on
    from sinks.code_maps import in_force

    instant = None if at is None else _dates.instant("--at", at)
    one = None if day is None else _dates.day("--date", day)
    found = answer(lambda client: in_force(client, scheme, instant))
    entries = found.entries if one is None else on(found.entries, one)
    if as_csv:
        typer.echo(written(entries), nl=False)
    elif as_json:
        typer.echo(json.dumps({**_told(found), "entries": [entry(each) for each in entries]}, indent=2))
    else:
        _print_map(found, entries)


def history(
    scheme: Annotated[
        str | None, typer.Option(help="Only the map of this scheme.", show_default="every scheme")
    ] = None,
    as_json: Json = False,
) -> None:
    """List every version of the maps: who published it, why, and what it changed against the version before."""
    from rollcall.cli._code_changes import differing
    from rollcall.cli._listed import table
    from rollcall.domain.code_maps import differences
    from sinks.code_maps import versions

    found = answer(lambda client: versions(client, scheme))
    before: dict[str, tuple[MapEntry, ...]] = {}
    documents, rows = [], []
    for one in found:
        what = differences(before.get(one.scheme, ()), one.entries)
        before[one.scheme] = one.entries
        documents.append({**_told(one), **differing(what)})
        rows.append(
            (
                one.scheme, one.version, f"{one.published_at:%Y-%m-%d %H:%M:%S} UTC", one.author, len(what.added),
                len(what.removed), len(what.changed), one.reason,
            )
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(documents, indent=2, ensure_ascii=False))
    else:
        table(("Scheme", "Version", "Published", "Author", "Added", "Removed", "Changed", "Reason"), rows)


def diff(
    file: File,
    scheme: Scheme = "national",
    first: Annotated[
        str | None,
        typer.Option("--from", help="First session date.", metavar="YYYY-MM-DD", show_default="of all marks"),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last session date.", metavar="YYYY-MM-DD", show_default="of all marks")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a map would change if it were published: which entries differ, how many current marks of which codes and
    schools, and the rates before and after. Writes nothing.

    Rates pool the headline's sessions between the two dates; without a date, from the first or to the last session date
    that would change."""
    from rich.console import Console
    from rich.progress import Progress

    from connectors.code_maps import read_map
    from rollcall.cli import _code_changes, _dates
    from rollcall.domain.code_maps import differences
    from rollcall.errors import UsageError
    from sinks.code_maps import versions, what_would_change

    entries = read_map(file)
    since = None if first is None else _dates.day("--from", first)
    until = None if last is None else _dates.day("--to", last)
    if since and until and until < since:
        raise UsageError(f"--to {until} is before --from {since}")
    standing = answer(lambda client: versions(client, scheme))
    what = differences(standing[-1].entries if standing else (), entries)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=as_json or not errors.is_terminal) as progress:
        task = progress.add_task("comparing", total=None)
        found = answer(
            lambda client: what_would_change(
                client, scheme, entries, since, until,
                lambda _day, done, days: progress.update(task, total=days, completed=done),
            )
        )  # fmt: skip
    if as_json:
        document = {"scheme": scheme, **_code_changes.differing(what), **_code_changes.document(found)}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _code_changes.show(scheme, what, found)


def publish(file: File, scheme: TheirScheme, author: Author, reason: Reason, as_json: Json = False) -> None:
    """Publish a map: it replaces its scheme's map, whole. Current marks follow once the reference loader has applied
    it; the history does not change."""
    from connectors.code_maps import read_map

    _publish(scheme, read_map(file), author, reason, as_json)


def rollback(
    scheme: TheirScheme,
    author: Author,
    reason: Reason,
    to: Annotated[
        int | None, typer.Option(help="Version to say again.", show_default="the one before that in force")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish once more what an earlier version said, as a new version: what was published stays in the history."""
    from connectors.code_maps import newest
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks.code_maps import in_force, to_roll_back_to

    wanted = answer(lambda client: to_roll_back_to(client, scheme, to))
    standing = answer(lambda client: in_force(client, scheme))
    latest = newest(Settings.load(), scheme)
    if latest is not None and latest > standing.published_at:
        raise UsageError(
            f"a map of {scheme} was published at {latest:%Y-%m-%d %H:%M:%S} UTC and is not in force yet: wait for the "
            "reference loader, or start it with `rollcall reference run`"
        )
    _publish(scheme, wanted.entries, author, f"{reason} (as version {wanted.version})", as_json)


def _publish(scheme: str, entries: Sequence[MapEntry], author: str, reason: str, as_json: bool) -> None:
    from connectors import code_maps
    from rollcall.errors import SchemaError, UsageError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway

    if not scheme:
        raise UsageError("--scheme: a map is of a scheme, as national or trust-dialect")
    try:
        versions = code_maps.publish(Settings.load(), {scheme: entries}, author=author, reason=reason)
    except RegistryAway as error:
        raise SchemaError(str(error)) from None
    if as_json:
        typer.echo(json.dumps(versions))
    else:
        told = f"{scheme}: version {versions[scheme]}, {len(entries)} entries"
        typer.echo(f"{told}; `rollcall codes history` says when it is in force")


def _told(one: CodeMap) -> dict[str, Any]:
    return {
        "scheme": one.scheme, "version": one.version, "published_at": one.published_at.isoformat(),
        "author": one.author, "reason": one.reason,
    }  # fmt: skip


def _print_map(found: CodeMap, entries: Sequence[MapEntry]) -> None:
    from rollcall.cli._listed import table
    from rollcall.domain.codes import BY_CODE

    told = f"{found.reason} ({found.author}), " if found.author else ""
    typer.echo(f"{found.scheme}, version {found.version}: {told}published {found.published_at:%Y-%m-%d %H:%M:%S} UTC")
    rows = (
        (
            entry.raw_code or "(blank)", entry.canonical_code, entry.valid_from or "…", entry.valid_to or "…",
            BY_CODE[entry.canonical_code].category.replace("_", " "), BY_CODE[entry.canonical_code].label,
        )
        for entry in entries
    )  # fmt: skip
    table(("Raw code", "Code", "From", "To", "Counts as", "Meaning"), rows)

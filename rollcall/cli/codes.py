"""`rollcall codes`: what raw codes mean, and what national codes count as, as data: shown, compared before it is
published, published, rolled back."""

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

File = Annotated[
    Path, typer.Argument(help="The map, or the categories, as `rollcall codes show --csv` prints them.", metavar="FILE")
]
Scheme = Annotated[str, typer.Option(help="Whose raw codes: national, or a dialect.")]
TheirScheme = Annotated[
    str | None,
    typer.Option(
        "--scheme", help="Whose raw codes: national, or a dialect. Needed, unless --categories.", show_default=False
    ),
]
Categories = Annotated[
    bool, typer.Option("--categories", help="Instead of a map: what national codes count as, one document for all.")
]
Author = Annotated[str, typer.Option(help="Who publishes: a role or a staff reference, no name.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; kept with it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall codes`."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="What raw codes mean and national codes count as: maps, categories, and what they change.",
    )
    group.command(
        "show",
        epilog="Examples: [bold]rollcall codes show[/bold]; "
        "[bold]rollcall codes show --scheme trust-dialect --csv > map.csv[/bold] to change it; "
        "[bold]rollcall codes show --date 2024-08-18[/bold] what each code meant that day; "
        "[bold]rollcall codes show --categories --date 2024-08-18[/bold] what it counts as.",
    )(show)
    group.command(
        "history",
        epilog="Examples: [bold]rollcall codes history --scheme national --json[/bold]; "
        "[bold]rollcall codes history --categories[/bold]",
    )(history)
    group.command(
        "diff",
        epilog="Examples: [bold]rollcall codes diff map.csv --scheme trust-dialect --from 2025-09-08 --to 2025-09-12"
        "[/bold]; [bold]rollcall codes diff categories.csv --categories[/bold].",
    )(diff)
    group.command(
        "publish",
        epilog="Examples: [bold]rollcall codes publish map.csv --scheme trust-dialect --author 'data manager' "
        "--reason 'xx is the dialect of O'[/bold]; [bold]rollcall codes publish categories.csv --categories --author "
        "'data manager' --reason 'X is authorised from September'[/bold]. The reference loader ([bold]rollcall "
        "reference run[/bold]) brings it in force.",
    )(publish)
    group.command(
        "rollback",
        epilog="Examples: [bold]rollcall codes rollback --scheme national --author 'data manager' --reason 'J is not "
        "J1'[/bold]; [bold]rollcall codes rollback --categories --author 'data manager' --reason 'too early'[/bold].",
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
    categories: Categories = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show the map in force for a scheme: what each raw code means, on which session dates; or the categories."""
    from connectors.code_maps import written
    from rollcall.cli import _category_changes, _dates
    from rollcall.cli._code_changes import entry, show_map
    from rollcall.domain.categories import on as counted_on
    from rollcall.domain.clock import london_date, now
    from rollcall.domain.code_maps import on
    from sinks import categories as documents
    from sinks.code_maps import in_force

    instant = None if at is None else _dates.instant("--at", at)
    one = None if day is None else _dates.day("--date", day)
    if categories:
        _category_changes.show(instant, one, as_csv, as_json)
        return
    found, document = answer(
        lambda client: (in_force(client, scheme, instant), documents.in_force(client, instant))
    )  # fmt: skip
    entries = found.entries if one is None else on(found.entries, one)
    if as_csv:
        typer.echo(written(entries), nl=False)
    elif as_json:
        typer.echo(json.dumps({**_told(found), "entries": [entry(each) for each in entries]}, indent=2))
    else:
        show_map(found, entries, counted_on(document.rows, one or london_date(now())))


def history(
    scheme: Annotated[
        str | None, typer.Option(help="Only the map of this scheme.", show_default="every scheme")
    ] = None,
    categories: Categories = False,
    as_json: Json = False,
) -> None:
    """List every version of the maps, or of the categories: who published it, why, and what it changed against the
    version before."""
    from rollcall.cli import _category_changes
    from rollcall.cli._code_changes import differing
    from rollcall.cli._listed import table
    from rollcall.domain.code_maps import differences
    from sinks.code_maps import versions

    if categories:
        _category_changes.history(as_json)
        return
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
    categories: Categories = False,
    as_json: Json = False,
) -> None:
    """Say what a map, or categories, would change if it were published: which entries differ, how many current marks of
    which codes and schools, and the rates before and after. Writes nothing.

    Rates pool the headline's sessions between the two dates; without a date, from the first or to the last session date
    that would change."""
    from rich.console import Console
    from rich.progress import Progress

    from connectors.code_maps import read_map
    from rollcall.cli import _category_changes, _code_changes, _dates
    from rollcall.domain.code_maps import differences
    from rollcall.errors import UsageError
    from sinks.code_maps import versions, what_would_change

    since = None if first is None else _dates.day("--from", first)
    until = None if last is None else _dates.day("--to", last)
    if since and until and until < since:
        raise UsageError(f"--to {until} is before --from {since}")
    if categories:
        _category_changes.diff(file, since, until, as_json)
        return
    entries = read_map(file)
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


def publish(
    file: File, author: Author, reason: Reason, scheme: TheirScheme = None, categories: Categories = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Publish a map: it replaces its scheme's map, whole. Current marks follow once the reference loader has applied
    it; the history does not change. Or the categories: figures follow then."""
    from connectors.code_maps import read_map
    from rollcall.cli import _category_changes

    if of := _scheme(scheme, categories):
        _publish(of, read_map(file), author, reason, as_json)
    else:
        _category_changes.publish(file, author, reason, as_json)


def rollback(
    author: Author,
    reason: Reason,
    scheme: TheirScheme = None,
    categories: Categories = False,
    to: Annotated[
        int | None, typer.Option(help="Version to say again.", show_default="the one before that in force")
    ] = None,
    as_json: Json = False,
) -> None:
    """Publish once more what an earlier version said, as a new version: what was published stays in the history."""
    from connectors.code_maps import newest
    from rollcall.cli import _category_changes
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks.code_maps import in_force, to_roll_back_to

    of = _scheme(scheme, categories)
    if not of:
        _category_changes.rollback(author, reason, to, as_json)
        return
    wanted = answer(lambda client: to_roll_back_to(client, of, to))
    standing = answer(lambda client: in_force(client, of))
    latest = newest(Settings.load(), of)
    if latest is not None and latest > standing.published_at:
        raise UsageError(
            f"a map of {of} was published at {latest:%Y-%m-%d %H:%M:%S} UTC and is not in force yet: wait for the "
            "reference loader, or start it with `rollcall reference run`"
        )
    _publish(of, wanted.entries, author, f"{reason} (as version {wanted.version})", as_json)


def _scheme(scheme: str | None, categories: bool) -> str:
    """The scheme of the map that is meant; empty for the categories."""
    from rollcall.errors import UsageError

    if categories and scheme is not None:
        raise UsageError("--scheme or --categories, not both: categories are of national codes, whatever the scheme")
    if not categories and not scheme:
        raise UsageError("--scheme: a map is of a scheme, as national or trust-dialect; or say --categories")
    return scheme or ""


def _publish(scheme: str, entries: Sequence[MapEntry], author: str, reason: str, as_json: bool) -> None:
    from connectors import code_maps
    from rollcall.errors import SchemaError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway

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

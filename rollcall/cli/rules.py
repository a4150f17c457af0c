"""`rollcall rules`: which source's mark counts, as data: shown, tried, published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall.cli._client import answer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sinks.source_rules import Change, Document

__all__ = ["register"]

File = Annotated[Path, typer.Argument(help="The document, as `rollcall rules show --json` prints it.", metavar="FILE")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

#: Rows of the table that a person is shown; `--json` has all.
_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add `rollcall rules`."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode="rich", help="Which source's mark counts: the rules between sources."
    )
    group.command(
        "show",
        epilog="Examples: [bold]rollcall rules show[/bold]; "
        "[bold]rollcall rules show --json > rules.json[/bold] to change them.",
    )(show)
    group.command(
        "test",
        epilog="Examples: [bold]rollcall rules test rules.json[/bold]; "
        "[bold]rollcall rules test rules.json --at 2026-01-05T06:00[/bold] as from that instant on.",
    )(try_out)
    group.command(
        "publish",
        epilog="Example: [bold]rollcall rules publish rules.json --author 'data manager' --reason 'new MIS'[/bold]. "
        "The reference loader ([bold]rollcall reference run[/bold]) brings it in force.",
    )(publish)
    group.command("history", epilog="Example: [bold]rollcall rules history --json[/bold]")(history)
    app.add_typer(group, name="rules")


def show(as_json: Json = False) -> None:
    """Show the rules in force: the published document, or the built-in one.

    A mark's precedence is the greatest of the rules that it meets. The greatest counts; of equals, the latest mark."""
    from sinks.source_rules import latest

    document = answer(latest)
    if as_json:
        typer.echo(json.dumps(_as_json(document), indent=2, ensure_ascii=False))
    else:
        _print(document)


def try_out(
    file: File,
    day: Annotated[str | None, typer.Option("--date", help="Only this session date.", metavar="YYYY-MM-DD")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            help="As from this instant on: it decides about rules of knowledge time.", metavar="YYYY-MM-DDTHH:MM",
            show_default="now",
        ),
    ] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Say how many current marks a document would change: by school and session date, from which source and code to
    which. Writes nothing."""
    from rich.console import Console
    from rich.progress import Progress

    from rollcall.cli import _dates
    from rollcall.domain import clock, source_rules_file
    from sinks.source_rules import what_would_change

    rules = source_rules_file.read(file)
    one = None if day is None else _dates.day("--date", day)
    instant = clock.now() if at is None else _dates.instant("--at", at)
    errors = Console(stderr=True)
    with Progress(console=errors, transient=True, disable=as_json or not errors.is_terminal) as progress:
        task = progress.add_task("comparing", total=None)
        found = answer(
            lambda client: what_would_change(
                client, rules, instant, one, lambda d, done, days: progress.update(task, total=days, completed=done)
            )
        )
    if as_json:
        document = {"marks": sum(change.marks for change in found), "changes": [_change(change) for change in found]}
        typer.echo(json.dumps(document, indent=2))
    else:
        _print_changes(found)


def publish(
    file: File,
    author: Annotated[str, typer.Option(help="Who publishes: a role or a staff reference, no name.")],
    reason: Annotated[str, typer.Option(help="Why, in a few words; kept with the document.")],
    as_json: Json = False,
) -> None:
    """Publish a document: it replaces the one before it, whole. Refused where it would let an N stand before a definite
    mark. Current marks follow once the reference loader has applied it."""
    from connectors import source_rules
    from rollcall.domain import source_rules_file
    from rollcall.errors import SchemaError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway

    rules = source_rules_file.read(file)
    try:
        source_rules.publish(Settings.load(), rules, author=author, reason=reason)
    except RegistryAway as error:
        raise SchemaError(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"published": len(rules)}))
    else:
        typer.echo(f"published {len(rules)} rules; `rollcall rules show` says when they are in force")


def history(as_json: Json = False) -> None:
    """List every version of the rules: who published it, why, and from when on it was followed.

    A document with rules of knowledge time has a version more for each instant at which one began or ended."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from sinks.source_rules import documents

    found = answer(documents)
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in found], indent=2, ensure_ascii=False))
        return
    table = Table("Version", "Followed from", "Published", "In force", "Author", "Reason", box=box.SIMPLE_HEAD)
    for one in found:
        table.add_row(
            str(one.version), _when(one, one.known_from), _when(one, one.published_at),
            f"{sum(one.in_force)} of {len(one.rules)}", one.author, one.reason,
        )  # fmt: skip
    Console().print(table)


def _when(document: Document, instant: datetime) -> str:
    return "built in" if document.built_in else f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _as_json(document: Document) -> dict[str, Any]:
    from rollcall.domain.source_rules_file import written

    rules = [
        {**rule, "in_force": holds} for rule, holds in zip(written(document.rules), document.in_force, strict=True)
    ]
    return {
        "version": document.version, "author": document.author, "reason": document.reason,
        "published_at": None if document.built_in else document.published_at.isoformat(),
        "known_from": None if document.built_in else document.known_from.isoformat(), "rules": rules,
    }  # fmt: skip


def _change(change: Change) -> dict[str, Any]:
    return {**change._asdict(), "session_date": change.session_date.isoformat()}


def _print(document: Document) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from rollcall.domain.source_rules_file import written

    if document.built_in:
        typer.echo("version 0: built in, nothing was published")
    else:
        typer.echo(
            f"version {document.version}: {document.reason} ({document.author}),"
            f" followed from {_when(document, document.known_from)}"
        )
    table = Table("Precedence", "Rule", "School", "Source", "Kind", "Codes", "Dates", "In force", box=box.SIMPLE_HEAD)
    pairs = zip(written(document.rules), document.in_force, strict=True)
    for rule, holds in sorted(pairs, key=lambda pair: -pair[0]["precedence"]):
        codes = rule["code_class"]
        dates = (
            f"{rule.get('from', '…')} to {rule.get('to', '…')} ({rule['dates_mean']})" if "dates_mean" in rule else "–"
        )
        table.add_row(
            str(rule["precedence"]), rule["name"], str(rule.get("school", "every")), rule.get("source", "any"),
            rule.get("source_kind", "either"), " ".join(codes) if isinstance(codes, list) else codes, dates,
            "yes" if holds else "no",
        )  # fmt: skip
    Console().print(table)


def _print_changes(found: Sequence[Change]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    schools = len({change.urn for change in found})
    typer.echo(f"{sum(change.marks for change in found):,} current marks of {schools:,} schools would be others")
    if not found:
        return
    table = Table("Date", "School", "Counts now", "Would count", "Marks", box=box.SIMPLE_HEAD)
    for one in found[:_SHOWN]:
        now, then = f"{one.code or '?'} of {one.source}", f"{one.other_code or '?'} of {one.other_source}"
        table.add_row(str(one.session_date), str(one.urn), now, then, f"{one.marks:,}")
    Console().print(table)
    if len(found) > _SHOWN:
        typer.echo(f"and {len(found) - _SHOWN:,} more lines: --json has them all")

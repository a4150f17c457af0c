"""`rollcall lessons`: how a session's mark follows from lessons at a school: shown, tried, published, withdrawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall.cli._client import answer
from rollcall.cli._listed import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.domain.lesson_rules import LessonRule
    from sinks.lesson_rules import Published

__all__ = ["register"]

File = Annotated[
    Path, typer.Argument(help="The school's rules, as `rollcall lessons show --json` prints them.", metavar="FILE")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Urn = Annotated[int, typer.Option("--urn", help="The school.", metavar="URN")]
Author = Annotated[str, typer.Option(help="Who says so: a role or a staff reference, no name.")]
#: Lines of the table that a person is shown; `--json` has all.
_SHOWN = 50
Reason = Annotated[str, typer.Option(help="Why, in a few words; kept with the rules.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall lessons`."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode="rich",
        help="How a session's mark follows from lessons, at schools that say so.",
    )  # fmt: skip
    group.command(
        "show",
        epilog="Examples: [bold]rollcall lessons show --urn 140029[/bold]; "
        "[bold]rollcall lessons show --urn 140029 --json > lessons.json[/bold] to change them.",
    )(show)
    group.command("test", epilog="Example: [bold]rollcall lessons test lessons.json[/bold]")(try_out)
    group.command(
        "publish",
        epilog="Example: [bold]rollcall lessons publish lessons.json --author 'data manager' --reason 'no registers'"
        "[/bold]. The reference loader ([bold]rollcall reference run[/bold]) brings it in force.",
    )(publish)
    group.command(
        "withdraw", epilog="Example: [bold]rollcall lessons withdraw --urn 140029 --reason 'registers again'[/bold]"
    )(withdraw)
    group.command("history", epilog="Example: [bold]rollcall lessons history --json[/bold]")(history)
    app.add_typer(group, name="lessons")


def show(urn: Urn, as_json: Json = False) -> None:
    """Show the rules of a school that are in force.

    Where no mark of a session stands, the best mark among the lessons of its window counts."""
    from sinks.lesson_rules import latest

    found = answer(lambda client: latest(client, urn))
    if as_json:
        document = {"school": urn, "rules": []} if found is None else _as_json(found)
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif found is None or not found.rules:
        typer.echo(f"school {urn} has no rule for lessons: they change no figure (rule 7)")
    else:
        typer.echo(f"version {found.version}: {found.reason} ({found.author})")
        for rule in found.rules:
            typer.echo(_line(rule))


def try_out(file: File, as_json: Json = False) -> None:
    """Say how many current marks a school's rules would change, by session date and code. Writes nothing."""
    from rollcall.domain import lesson_rules_file
    from sinks.lesson_rules import what_would_change

    urn, rules = lesson_rules_file.read(file)
    found = answer(lambda client: what_would_change(client, urn, rules))
    marks = sum(change.marks for change in found)
    if as_json:
        changes = [{**change._asdict(), "session_date": change.session_date.isoformat()} for change in found]
        typer.echo(json.dumps({"school": urn, "marks": marks, "changes": changes}, indent=2))
        return
    wrapped(
        ("Date", "Session", "From", "To", "Marks"),
        [
            (str(one.session_date), one.session, one.was or "unmapped", one.becomes or "unmapped", f"{one.marks:,}")
            for one in found[:_SHOWN]
        ],
    )
    if len(found) > _SHOWN:
        typer.echo(f"and {len(found) - _SHOWN:,} more lines; --json has all")
    typer.echo(f"{marks:,} current marks of school {urn} would change (- is no mark)")


def publish(file: File, author: Author, reason: Reason, as_json: Json = False) -> None:
    """Publish a school's rules: they replace those before them, whole. Current marks follow once the reference loader
    has applied them."""
    from rollcall.domain import lesson_rules_file

    urn, rules = lesson_rules_file.read(file)
    _publish(urn, rules, author, reason, as_json)


def withdraw(urn: Urn, reason: Reason, author: Author = "data manager", as_json: Json = False) -> None:
    """Take a school's rules back: no mark of a session follows from lessons any more."""
    _publish(urn, (), author, reason, as_json)


def history(
    urn: Annotated[int, typer.Option("--urn", help="Only of this school.", metavar="URN", show_default=False)] = 0,
    as_json: Json = False,
) -> None:
    """List every version of the rules of a school, or of all: who published it, when and why."""
    from sinks.lesson_rules import history as versions

    found = answer(lambda client: versions(client, urn))
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in found], indent=2, ensure_ascii=False))
        return
    for one in found:
        typer.echo(
            f"school {one.urn}, version {one.version}, {one.published_at:%Y-%m-%d %H:%M:%S} UTC: {one.reason}"
            f" ({one.author})"
        )
        for rule in one.rules:
            typer.echo(_line(rule))
        if not one.rules:
            typer.echo("  withdrawn")


def _publish(urn: int, rules: Sequence[LessonRule], author: str, reason: str, as_json: bool) -> None:
    from connectors import lesson_rules
    from rollcall.errors import SchemaError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway

    try:
        lesson_rules.publish(Settings.load(), urn, rules, author=author, reason=reason)
    except RegistryAway as error:
        raise SchemaError(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"school": urn, "published": len(rules)}))
    elif rules:
        typer.echo(f"published {len(rules)} rules of school {urn}; `rollcall lessons show` says when they are in force")
    else:
        typer.echo(f"withdrew the rules of school {urn}; `rollcall lessons show` says when none is in force")


def _as_json(published: Published) -> dict[str, Any]:
    from rollcall.domain.lesson_rules_file import written

    return {
        "school": published.urn, "version": published.version, "author": published.author,
        "reason": published.reason, "published_at": published.published_at.isoformat(),
        "rules": written(published.rules),
    }  # fmt: skip


def _line(rule: LessonRule) -> str:
    first, last = rule.first_day or "ever", rule.last_day or "still"
    windows = ", ".join(
        f"{session} {' '.join(lessons)}" for session, lessons in (("AM", rule.am), ("PM", rule.pm)) if lessons
    )
    best = f"; best {' '.join(rule.best)}" if rule.best else ""
    return f"  {rule.name} ({first} to {last}): {windows}{best}"

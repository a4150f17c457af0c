"""`rollcall identity`: which pupil a number is, and two numbers that are one child or one that is two."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall.cli._client import answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollcall.domain.pupil_aliases import PupilAlias
    from sinks.pupil_aliases import Enrolled, Named, Published

__all__ = ["register"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Pupil = Annotated[str, typer.Argument(help="A pupil_id.", metavar="PUPIL_ID")]
Reason = Annotated[str, typer.Option(help="Why, in a few words and without names; kept with the alias.")]
Author = Annotated[str, typer.Option(help="Who says so: a role or a staff reference, no name.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall identity`."""
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode="rich", help="Which pupil a number is; pupils merged and split."
    )
    group.command(
        "explain",
        epilog="Examples: [bold]rollcall identity explain 123[/bold]; "
        "[bold]rollcall identity explain --urn 140029 --scheme mis --ref 4711[/bold]",
    )(explain)
    group.command("merge", epilog="Example: [bold]rollcall identity merge 123 456 --reason 'entered twice'[/bold]")(
        merge
    )
    group.command(
        "split",
        epilog="Examples: [bold]rollcall identity split 123 --source old-mis --reason 'number given again'[/bold]; "
        "[bold]rollcall identity split 123 --from 2025-09-01 --reason 'number given again'[/bold]",
    )(split)
    group.command("undo", epilog="Example: [bold]rollcall identity undo 123 --reason 'two children after all'[/bold]")(
        undo
    )
    group.command("history", epilog="Example: [bold]rollcall identity history --json[/bold]")(history)
    app.add_typer(group, name="identity")


def explain(
    pupil_id: Annotated[str | None, typer.Argument(help="A pupil_id.", metavar="PUPIL_ID")] = None,
    urn: Annotated[int, typer.Option(help="With --scheme and --ref: the school.", show_default=False)] = 0,
    scheme: Annotated[str, typer.Option(help="With --urn and --ref: mis, upn, ...", show_default=False)] = "",
    ref: Annotated[str, typer.Option(help="What a source calls the pupil.", show_default=False)] = "",
    references: Annotated[
        bool, typer.Option("--references", help="Show what sources call the pupil. It is personal data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is known of a pupil's number: schools, schemes that name it, enrolments, aliases from and to it."""
    from rollcall.errors import UsageError
    from sinks import pupil_aliases

    asked = [] if pupil_id is None else [_number(pupil_id)]
    if not asked and not (urn and scheme and ref):
        raise UsageError("give a pupil_id, or --urn, --scheme and --ref")

    def look(client: Any) -> tuple[list[int], list[Named], list[Enrolled], list[Published]]:
        pupils = asked or [
            one.pupil_id for one in pupil_aliases.named(client, (), (urn, scheme, ref)) if not one.ambiguous
        ]
        if not pupils:
            raise UsageError("the reference names nobody, or more than one pupil of the school")
        found = pupil_aliases.history(client, pupils)
        linked = sorted({*pupils, *(one.pupil_id for one in found), *(one.to_pupil_id for one in found)} - {0})
        return linked, pupil_aliases.named(client, linked), pupil_aliases.enrolled(client, linked), found

    linked, names, spells, aliases = answer(look)
    document: dict[str, list[Any]] = {
        "pupil_ids": [str(one) for one in linked],
        "named_by": [_named(one, references) for one in names],
        "enrolments": [{**one._asdict(), "pupil_id": str(one.pupil_id)} for one in spells],
        "aliases": [_published(one) for one in aliases],
    }
    if as_json:
        typer.echo(json.dumps(document, indent=2, default=str))
        return
    for title, lines in document.items():
        typer.secho(title.replace("_", " "), bold=True)
        for line in lines:
            typer.echo(f"  {_line(line)}")
        if not lines:
            typer.echo("  none")


def merge(
    pupil_id: Pupil,
    into: Annotated[str, typer.Argument(help="The pupil_id that its marks shall count for.", metavar="PUPIL_ID")],
    reason: Reason,
    author: Author = "data manager",
    as_json: Json = False,
) -> None:
    """Two numbers are one child: the marks of the first count for the second. The history is not changed."""
    from rollcall.domain import pupil_aliases

    _publish(_number(pupil_id), [pupil_aliases.merge(_number(into))], author, reason, as_json)


def split(
    pupil_id: Pupil,
    reason: Reason,
    source: Annotated[str | None, typer.Option(help="The marks of this system are another child's.")] = None,
    first_day: Annotated[
        str | None, typer.Option("--from", help="Those from this session date on are.", metavar="YYYY-MM-DD")
    ] = None,
    author: Author = "data manager",
    as_json: Json = False,
) -> None:
    """One number is two children: a part of its marks counts for a pupil_id of its own. The history is not changed."""
    from rollcall.cli import _dates
    from rollcall.domain import pupil_aliases
    from rollcall.errors import UsageError

    if source is None and first_day is None:
        raise UsageError("say which marks are another child's: --source, --from, or both")
    day = None if first_day is None else _dates.day("--from", first_day)
    own = _number(pupil_id)
    _publish(own, [pupil_aliases.split(own, source=source, first_day=day)], author, reason, as_json)


def undo(pupil_id: Pupil, reason: Reason, author: Author = "data manager", as_json: Json = False) -> None:
    """Take back a merge or a split: all marks of the pupil_id count for itself again."""
    _publish(_number(pupil_id), [], author, reason, as_json)


def history(
    pupil_id: Annotated[str | None, typer.Argument(help="Only from and to this pupil_id.", metavar="PUPIL_ID")] = None,
    as_json: Json = False,
) -> None:
    """List every merge, split and undo, the earliest first, with who said so and why."""
    from sinks import pupil_aliases

    pupils = [] if pupil_id is None else [_number(pupil_id)]
    found = answer(lambda client: pupil_aliases.history(client, pupils))
    if as_json:
        typer.echo(json.dumps([_published(one) for one in found], indent=2, default=str))
        return
    for one in found:
        typer.echo(_line(_published(one)))
    if not found:
        typer.echo("nothing was merged or split")


def _publish(pupil_id: int, aliases: Sequence[PupilAlias], author: str, reason: str, as_json: bool) -> None:
    from connectors import pupil_aliases as publisher
    from rollcall.errors import SchemaError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway
    from sinks import pupil_aliases

    answer(lambda client: pupil_aliases.check_beside(client, pupil_id, aliases))
    try:
        publisher.publish(Settings.load(), pupil_id, aliases, author=author, reason=reason)
    except RegistryAway as error:
        raise SchemaError(str(error)) from None
    to = [str(one.to_pupil_id) for one in aliases]
    if as_json:
        typer.echo(json.dumps({"pupil_id": str(pupil_id), "counts_for": to}, indent=2))
    else:
        typer.echo(
            f"published: {pupil_id} counts for {to[0] if to else 'itself'}; the reference loader brings it in force"
        )


def _number(text: str) -> int:
    from rollcall.domain.pupil_aliases import number
    from rollcall.errors import UsageError

    try:
        return number(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _named(one: Named, references: bool) -> dict[str, Any]:
    told = {**one._asdict(), "pupil_id": str(one.pupil_id)}
    return told if references else {name: value for name, value in told.items() if name != "ref"}


def _published(one: Published) -> dict[str, Any]:
    # Numbers beyond 2^53 are no numbers to many readers of JSON.
    return {**one._asdict(), "pupil_id": str(one.pupil_id), "to_pupil_id": str(one.to_pupil_id)}


def _line(told: Any) -> str:
    if isinstance(told, dict):
        return ", ".join(f"{name} {value}" for name, value in told.items() if value not in ("", False))
    return str(told)

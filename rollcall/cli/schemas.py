"""`rollcall schemas`: check the contracts and register them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall schemas`."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="The contracts on the topics: is a change safe, is it in the registry?",
    )
    group.command(
        "check",
        epilog="Examples: [bold]rollcall schemas check[/bold] before every commit of a schema; "
        "[bold]rollcall schemas check --root schemas --json[/bold].",
    )(check)
    group.command(
        "register",
        epilog="Examples: [bold]rollcall schemas register[/bold] after [bold]rollcall up[/bold]; "
        "[bold]ROLLCALL_REGISTRY__URL=https://registry:8081 rollcall schemas register[/bold].",
    )(register_all)
    app.add_typer(group, name="schemas")


def check(
    root: Annotated[
        Path | None, typer.Option(help="Folder with a folder per topic.", show_default="the schemas of this version")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every committed schema: the latest must read what every earlier version wrote. Exit 1 when one does not.

    Needs no registry: it is the gate a change passes before it is committed.
    """
    import schemas
    from schemas.compatibility import check_all

    where = root if root is not None else schemas.ROOT
    subjects = schemas.subjects(where)
    if not subjects:
        from rollcall.errors import UsageError

        raise UsageError(f"{where} holds no schemas: it needs a folder per topic with 1.avsc")
    problems = check_all(where)
    if as_json:
        typer.echo(json.dumps({"subjects": list(subjects), "problems": [one._asdict() for one in problems]}, indent=2))
    else:
        for problem in problems:
            typer.echo(str(problem))
        count = sum(len(schemas.versions(subject, where)) for subject in subjects)
        typer.echo(f"{len(subjects)} subjects, {count} versions, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


def register_all(home: Home = None, as_json: Json = False) -> None:
    """Register every committed schema, oldest version first, and hold its subject to BACKWARD_TRANSITIVE.

    Safe to repeat: what is there keeps its id.
    """
    from rollcall.errors import SchemaError
    from rollcall.settings import Settings
    from schemas.registry import Registry, RegistryAway, SchemaRefused

    settings = Settings.load(home=home) if home is not None else Settings.load()
    try:
        with Registry(settings.registry.url) as registry:
            done = registry.register_all()
    except (RegistryAway, SchemaRefused) as error:
        raise SchemaError(str(error)) from None
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in done], indent=2))
        return
    for one in done:
        typer.echo(f"{one.topic}: id {one.schema_id}{' (new)' if one.new else ''}")

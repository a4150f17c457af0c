"""`rollcall sources`: which systems are pulled, for which schools, and who permits it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rollcall.cli._listed import listed_school, listed_source, table

if TYPE_CHECKING:
    from connectors.sources_file import SourcesFile
    from rollcall.settings import Settings

__all__ = ["register"]

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Name = Annotated[str, typer.Argument(help="Name of the source.")]
OneSchool = Annotated[str | None, typer.Option("--school", help="Only this school, by its id at the source.")]
OneUrn = Annotated[int | None, typer.Option("--urn", help="Only this school, by its URN.")]
Today = Annotated[datetime | None, typer.Option(help="The day it is, for a day that is played.", formats=["%Y-%m-%d"])]


def register(app: typer.Typer) -> None:
    """Add `rollcall sources import`, `list`, `add`, `check`, `revoke` and `resume`."""
    group = typer.Typer(no_args_is_help=True, help="Which systems are pulled, for which schools, and who permits it.")
    group.command(
        "import",
        epilog="Examples: [bold]rollcall sources import trust.toml[/bold]; "
        "[bold]rollcall sources import trust.csv[/bold], whose first line is "
        "make,name,base_url,secret,id,urn,code_scheme,from,until. TOML and JSON: a list sources, each with make, name, "
        "base_url, secret and a list schools with id, urn, code_scheme, from, until.",
    )(import_)
    group.command(
        "list",
        epilog="Examples: [bold]rollcall sources list[/bold]; "
        "[bold]rollcall sources list --json | jq '.[].schools'[/bold]",
    )(list_)
    group.command(
        "add",
        epilog="Example: [bold]rollcall sources add --make wonde --base-url https://api.wonde.com/v1.0 "
        "--secret env:WONDE_TOKEN --school A1930499544=123456[/bold]",
    )(add)
    group.command(
        "check",
        epilog="Examples: [bold]rollcall sources check[/bold] all of them; "
        "[bold]rollcall sources check --source wonde --json[/bold]",
    )(check)
    group.command(
        "revoke",
        epilog="Examples: [bold]rollcall sources revoke wonde --urn 123456 --reason 'left the trust'[/bold]; "
        "[bold]rollcall sources revoke wonde --reason 'contract ended'[/bold] all its schools",
    )(revoke)
    group.command(
        "resume",
        epilog="Examples: [bold]rollcall sources resume wonde --urn 123456[/bold]; "
        "[bold]rollcall sources resume wonde[/bold]",
    )(resume)
    app.add_typer(group, name="sources")


def import_(
    file: Annotated[Path, typer.Argument(help="Sources and their schools: .toml, .json or .csv.", exists=True)],
    home: Home = None,
) -> None:
    """Take many sources and schools from a file at once: all of them, or none and a line for everything that is wrong.

    A source of the file takes the place of the one of its name; the others stay. What was revoked stays revoked.
    Secrets are named (env:NAME, file:PATH), never written into it. Nothing is asked of the sources: that does
    [bold]rollcall sources check[/bold].
    """
    from connectors import sources_import
    from connectors.sources import WrongSources

    try:
        sources = sources_import.load(file)
    except WrongSources as error:
        for complaint in error.complaints:
            typer.secho(f"{file}: {complaint}", fg=typer.colors.RED, err=True)
        typer.echo(f"nothing was imported: {len(error.complaints)} things are wrong", err=True)
        raise typer.Exit(2) from None
    held = _file(_settings(home))
    held.take(sources)
    schools = sum(len(source.schools) for source in sources)
    typer.echo(f"{len(sources)} sources with {schools} schools are in {held.path}")


def list_(home: Home = None, as_json: AsJson = False, today: Today = None) -> None:
    """Print every source and school, with the days on which it is pulled, and how it stands."""
    from connectors.source_pulls import state_of
    from rollcall.domain.clock import london_date, now

    settings = _settings(home)
    sources = list(_file(settings).current().values())
    day = london_date(now()) if today is None else today.date()
    listed = []
    for source in sources:
        states = state_of(settings, source.name)
        schools = [listed_school(source, one, states.load(one.id), day) for one in source.schools]
        listed.append({**listed_source(source), "schools": schools})
    if as_json:
        typer.echo(json.dumps(listed, indent=1))
        return
    rows = [(one["name"], one["make"], school) for one in listed for school in one["schools"]]
    table(
        ("Source", "Make", "School", "URN", "Codes", "From", "Until", "Stands"),
        (
            (name, make, one["id"], one["urn"], one["code_scheme"], one["from"], one["until"], one["stands"])
            for name, make, one in rows
        ),
    )
    for one in listed:
        if not one["schools"]:
            typer.echo(f"{one['name']} ({one['make']}): the schools that it lets us read")
        for told in one["revoked"]:
            if told["school"] is None and told["urn"] is None:
                typer.echo(f"{one['name']}: permission was revoked at {told['at']}: {told['reason']}")


def add(
    make: Annotated[str, typer.Option(help="Make of the system, e.g. wonde.")],
    base_url: Annotated[str, typer.Option(help="Its address.")],
    name: Annotated[str | None, typer.Option(help="Name of the source.", show_default="the make")] = None,
    secret: Annotated[str | None, typer.Option(help="What lets us in: env:NAME or file:PATH.")] = None,
    school: Annotated[
        list[str] | None,
        typer.Option(
            "--school", help="ID=URN or ID=URN=SCHEME; repeat for more. None: all that the source lets us read."
        ),
    ] = None,
    from_: Annotated[
        datetime | None, typer.Option("--from", help="First day on which they are pulled.", formats=["%Y-%m-%d"])
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Last day on which they are.", formats=["%Y-%m-%d"])] = None,
    requests_a_second: Annotated[float | None, typer.Option(help="At most so many, over all its schools.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="What only this make understands.")
    ] = None,
    home: Home = None,
) -> None:
    """Add a source, or schools to a source that is there."""
    from connectors.sources import parse
    from rollcall.errors import UsageError

    schools: list[dict[str, Any]] = []
    for given in school or []:
        school_id, _, rest = given.partition("=")
        urn, _, scheme = rest.partition("=")
        if not school_id or not urn.isdecimal():
            raise UsageError(f"--school {given}: ID=URN is wanted, e.g. A1930499544=123456")
        dates = {"from": from_ and from_.date(), "until": until and until.date()}
        schools.append({"id": school_id, "urn": int(urn), "code_scheme": scheme or "national", **dates})
    options: dict[str, str] = {}
    for given in option or []:
        known, equals, value = given.partition("=")
        if not equals:
            raise UsageError(f"--option {given}: NAME=VALUE is wanted")
        options[known] = value
    if secret is not None and secret.startswith("file:"):
        secret = f"file:{Path(secret.removeprefix('file:')).absolute()}"
    document = {
        "make": make, "name": name or make, "base_url": base_url, "secret": secret, "options": options,
        "schools": schools, **({} if requests_a_second is None else {"requests_a_second": requests_a_second}),
    }  # fmt: skip
    (source,) = parse(
        {"sources": [document]}, lambda _, place: "" if place is None else f"school {schools[place]['id']}"
    )
    now_there = _file(_settings(home)).add(source)
    typer.echo(f"{now_there.name} has {len(now_there.schools) or 'all'} schools")


def check(
    source: Annotated[list[str] | None, typer.Option(help="Only this source; repeat for more.")] = None,
    at_once: Annotated[int, typer.Option(help="Schools asked at the same time.", min=1, max=256)] = 16,
    today: Today = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask each school whether we may read it, whether it is the one we think, whether its codes are understood, and for
    its roster. Changes nothing. Leaves with 1 when something stands in the way of a school."""
    import asyncio

    from connectors import checking

    day = None if today is None else today.date()
    found = asyncio.run(checking.check(_settings(home), names=source or (), at_once=at_once, today=day))
    if as_json:
        rows = [
            {"source": one.name, "school": one.school, "urn": one.urn, "pupils": one.pupils, "found": list(one.found)}
            for one in found
        ]
        typer.echo(json.dumps(rows, indent=1))
    else:
        table(
            ("Source", "School", "URN", "Pupils", "What stands in the way"),
            ((one.name, one.school, one.urn, one.pupils, "; ".join(one.found) or "nothing") for one in found),
        )
    if any(one.found for one in found):
        raise typer.Exit(1)


def revoke(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, in a few words, without a name; kept with the source.")],
    school: OneSchool = None,
    urn: OneUrn = None,
    home: Home = None,
) -> None:
    """Withdraw the permission to pull a school, or all schools of a source. Pulls that run stop at once: pages that
    were read and not yet sent are not sent. An import does not give it back."""
    from rollcall.domain.clock import now

    _one_of(school, urn)
    _file(_settings(home)).revoke(name, school, urn, reason, now())
    typer.echo(f"{_what(name, school, urn)} is not pulled any more")


def resume(name: Name, school: OneSchool = None, urn: OneUrn = None, home: Home = None) -> None:
    """Pull again what was revoked, and what had refused us (401, 403) once it permits it: a new secret does the latter
    by itself. Without --school or --urn: the source; schools that were revoked one by one stay so."""
    from dataclasses import replace

    from connectors.source_pulls import state_of
    from rollcall.errors import UsageError

    _one_of(school, urn)
    settings = _settings(home)
    file = _file(settings)
    lifted = file.resume(name, school, urn)
    states = state_of(settings, name)
    refused = []
    for school_id in states.ids():
        known = {one.id: one.urn for one in file.current()[name].schools}
        if school not in (None, school_id) or urn not in (None, known.get(school_id)):
            continue
        if states.load(school_id).stopped is not None:
            states.change(school_id, lambda state: replace(state, stopped=None, credential=None))
            refused.append(school_id)
    if not lifted and not refused:
        raise UsageError(f"{_what(name, school, urn)} was neither revoked nor stopped: `rollcall sources list`")
    if lifted:
        typer.echo(f"{_what(name, school, urn)} is permitted again")
    if refused:
        typer.echo(f"asked again, after it had refused us: {', '.join(refused)}")


def _one_of(school: str | None, urn: int | None) -> None:
    from rollcall.errors import UsageError

    if school is not None and urn is not None:
        raise UsageError("give --school or --urn, not both")


def _what(name: str, school: str | None, urn: int | None) -> str:
    if school is None and urn is None:
        return name
    return f"{name}, school {school}" if school is not None else f"{name}, URN {urn}"


def _file(settings: Settings) -> SourcesFile:
    from connectors.sources_file import SourcesFile

    return SourcesFile(settings.sources_file)


def _settings(home: Path | None) -> Settings:
    from rollcall.settings import Settings

    return Settings.load(home=home) if home is not None else Settings.load()

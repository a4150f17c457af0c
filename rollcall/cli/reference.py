"""`rollcall reference`: bring reference data to Kafka and from there to ClickHouse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rollcall.cli import _loads

__all__ = ["register"]

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall reference`."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Schools, rosters, timetables, calendars and code maps: publish them, apply them.",
    )
    group.command(
        "run",
        epilog="Examples: [bold]rollcall reference run[/bold] beside the workers, for ever; "
        "[bold]rollcall reference run --once[/bold] in a script, before the first worker starts.",
    )(run)
    load_group = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Publish reference data from files.")
    load_group.callback()(_load)
    load_group.command(
        "codes",
        epilog="Examples: [bold]rollcall reference load codes[/bold] publishes the national codes; "
        "[bold]rollcall reference load codes --map wonde:100001=codes.csv --no-national[/bold] one school's own. "
        "The file: raw_code,canonical_code,valid_from,valid_to, the dates may be empty.",
    )(load_codes)
    _loads.register(load_group)
    group.add_typer(load_group, name="load")
    app.add_typer(group, name="reference")


def _load() -> None:
    """Publish reference data from files."""


def run(
    once: Annotated[bool, typer.Option("--once", help="Stop when what is there now is applied.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Read the reference topics and keep every version in ClickHouse. One process is enough, and runs for ever.

    May be killed at any time: the next start goes on where the tables say. What cannot be read goes to quarantine.
    """
    import contextlib
    from dataclasses import asdict

    from rollcall import metrics
    from rollcall.cli._service import begun
    from rollcall.failpoints import FailPoints
    from sinks.clickhouse import connect
    from streams.reference import Loader

    settings, stop = begun(home)
    loader = Loader(settings, connect(settings.clickhouse), fail=FailPoints())
    observed = settings.observability
    with contextlib.closing(metrics.serve(observed.metrics_host, observed.metrics_port, loader.not_ready)):
        summary = loader.run(stop, once=once)
    if as_json:
        typer.echo(json.dumps(asdict(summary), indent=2))
    else:
        typer.echo(
            f"{summary.messages} messages: {summary.applied} new versions, {summary.repeated} repeats, "
            f"{summary.refused} in quarantine, {summary.removed} keys without value"
        )


def load_codes(
    maps: Annotated[
        list[str] | None, typer.Option("--map", metavar="SCHEME=FILE", help="A local map; may be given several times.")
    ] = None,
    national: Annotated[bool, typer.Option(help="Publish the national codes too.")] = True,
    author: Annotated[str, typer.Option(help="Who publishes: a role or a staff reference, no name.")] = "data manager",
    reason: Annotated[str, typer.Option(help="Why, in a few words; kept with the map.")] = "published by hand",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Publish code maps to Kafka: the national codes, and local ones from CSV files. Each replaces its scheme's map."""
    from connectors import code_maps
    from rollcall.domain.codes import NATIONAL, MapEntry, national_map_entries
    from rollcall.errors import SchemaError, UsageError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway

    wanted: dict[str, tuple[MapEntry, ...]] = {NATIONAL: national_map_entries()} if national else {}
    for one in maps or []:
        scheme, equals, file = one.partition("=")
        if not (scheme and equals and file):
            raise UsageError(f"--map {one}: SCHEME=FILE is wanted, as wonde:100001=codes.csv")
        wanted[scheme] = code_maps.read_map(Path(file))
    if not wanted:
        raise UsageError("nothing to publish: give --map, or leave --no-national away")
    settings = Settings.load(home=home) if home is not None else Settings.load()
    try:
        versions = code_maps.publish(settings, wanted, author=author, reason=reason)
    except RegistryAway as error:
        raise SchemaError(str(error)) from None
    if as_json:
        typer.echo(json.dumps(versions, indent=2))
        return
    for scheme, version in versions.items():
        typer.echo(f"{scheme}: version {version}, {len(wanted[scheme])} codes")

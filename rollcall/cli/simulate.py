"""`rollcall simulate`: a school estate that serves its MIS and posts its registers, from one seeded truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `rollcall simulate`."""
    group = typer.Typer(
        invoke_without_command=True,
        epilog="Examples: [bold]rollcall simulate --key-file keys.json[/bold] plays one day of a trust of 48 schools; "
        "[bold]rollcall simulate --schools 4 --pupils 1200 --no-dirt --hold[/bold] serves a small clean estate until "
        "it is stopped.",
    )
    group.callback()(simulate)
    group.command(
        "published",
        epilog="Example: [bold]rollcall simulate published week37.csv --la 894[/bold], then "
        "[bold]rollcall publish attendance[/bold] and [bold]rollcall publish compare[/bold].",
    )(published)
    group.command(
        "strike",
        epilog="Example: [bold]rollcall simulate strike[/bold], then "
        "[bold]rollcall publish strike --date 2023-02-01 --out strike.csv[/bold].",
    )(strike)
    app.add_typer(group, name="simulate")


def published(
    file: Annotated[Path, typer.Argument(help="A published file of attendance in the Department's layout.")],
    date: Annotated[
        list[str] | None, typer.Option(help="Only this day; may be given several times.", metavar="YYYY-MM-DD")
    ] = None,
    la: Annotated[
        list[str] | None, typer.Option(help="Three-digit code of an authority; may be given several times.")
    ] = None,
    code_map: Annotated[bool, typer.Option(help="Publish the national code map first.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing: count every figure again from the invented pupils.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Invent schools, pupils and marks with exactly the totals of a published file, and put them on Kafka.

    Beside them stand schools and pupils that must not count, amendments, withdrawn marks and kiosks. Without --date the
    pupils also come to the file's persistent absence. Workers and the reference loader take it from there."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from connectors.estate.published.allocation import allocate, differences
    from connectors.estate.published.cells import read
    from connectors.estate.published.send import send
    from rollcall.cli import _dates
    from rollcall.errors import UsageError
    from rollcall.settings import Settings

    cells = read(file, [_dates.day("--date", one) for one in date or ()], la or ())
    errors = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    try:
        with Progress(*columns, console=errors, transient=True, disable=as_json or not errors.is_terminal) as progress:
            task = progress.add_task("schools")
            if dry_run:
                found = [one for cell in cells for one in differences(allocate(cell))]
                typer.echo("\n".join([*found, f"{len(cells):,} cells, {len(found):,} figures differ"]))
                raise typer.Exit(1 if found else 0)
            sent = send(
                Settings.load(), cells, code_map=code_map,
                progress=lambda what, done: progress.update(task, description=f"{done:,} {what}"),
            )  # fmt: skip
    except ValueError as error:
        raise UsageError(f"{file} contradicts itself: {error}") from None
    counts = {"cells": len(cells), **{name: value for name, value in sent._asdict().items() if name != "last"}}
    if as_json:
        typer.echo(json.dumps(counts))
    else:
        typer.echo(", ".join(f"{value:,} {name}" for name, value in counts.items()) + " that count")


def strike(
    code_map: Annotated[bool, typer.Option(help="Publish the national code map first.")] = True,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
) -> None:
    """Put 1 February 2023 on Kafka: a small nation from which every figure published of that day comes.

    Workers and the reference loader take it from there."""
    from connectors.estate.strike_nation import DAY, nation, send
    from rollcall.settings import Settings

    send(Settings.load(home=home) if home is not None else Settings.load(), code_map=code_map)
    was = [school.was for school in nation()]
    typer.echo(f"{len(was):,} schools of {DAY}; {len(was) - was.count('silent'):,} took a register")


def simulate(
    context: typer.Context,
    ingest_url: Annotated[
        str | None, typer.Option(help="Base of the ingest API; without it nothing is posted.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="JSON: API key of the ingest API by source (classroom, tutor-app).")
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="Write what `rollcall sources import` takes here (.json).")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same estate.")] = 1,
    schools: Annotated[int, typer.Option(min=1, help="Schools; from 500 on in the nation's mix of phases.")] = 48,
    pupils: Annotated[int, typer.Option(min=2, help="Pupils, over all schools.")] = 36_000,
    day: Annotated[str, typer.Option("--date", help="School day to play, YYYY-MM-DD.")] = "2025-09-10",
    clean: Annotated[bool, typer.Option("--no-dirt", help="Nothing goes wrong.")] = False,
    reference: Annotated[bool, typer.Option(help="Publish the estate's reference data first.")] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the Wonde-shaped server; 0 takes one.")] = 0,
    tick_seconds: Annotated[float, typer.Option(min=0.0, help="Pause after each of the day's four ticks.")] = 0.0,
    hold: Annotated[bool, typer.Option("--hold", help="Go on serving when the day is over, until Ctrl-C.")] = False,
    home: Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Play a school day: serve the Wonde shape on loopback, post registers to the ingest API, tick by tick.

    Half the schools post, half are pulled. With dirt (the default) they repeat, correct, contradict and mistake
    themselves at known rates; the summary counts what was put in.
    """
    from datetime import date as calendar_date

    from connectors.estate.dirt import Dirt
    from connectors.estate.estate import Estate
    from rollcall.errors import UsageError
    from rollcall.settings import Settings

    if context.invoked_subcommand is not None:
        return
    settings = Settings.load(home=home) if home is not None else Settings.load()
    try:
        dates = [calendar_date.fromisoformat(day)]
        estate = Estate.make(seed, schools, pupils, dates, Dirt.none() if clean else Dirt.default())
    except ValueError as error:
        raise UsageError(str(error)) from None
    if ingest_url is not None and key_file is None:
        raise UsageError("posting needs --key-file: make keys with `rollcall ingest key add`")
    keys = _keys(key_file)
    if reference:
        from connectors.pupils import UpnKey

        count = estate.publish_reference(
            settings.kafka.client_config(), settings.registry.url, UpnKey.of(settings).reference
        )
        typer.echo(f"{count} messages of reference data published", err=True)
    posted, requests = _play(estate, ingest_url, keys, port, sources, tick_seconds, hold)
    summary = {
        "seed": seed,
        "date": day,
        "schools": len(estate.schools),
        "pupils": len(estate.pupils),
        "posted": posted,
        "acknowledged": len(estate.acknowledged),
        "marks_posted": sum(len(one.submission.marks) for one in estate.acknowledged),
        "records": sum(len(held) for held in estate.records.values()),
        "requests": {str(status): count for status, count in sorted(requests.items())},
        "must_stand": len(estate.script.end),
        "missing_registers": len(estate.script.missing),
        "dirt": dict(sorted(estate.script.counts.items())),
    }
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
    else:
        _print(summary)


def _keys(key_file: Path | None) -> dict[str, str]:
    from connectors.estate.schools import SOURCES
    from rollcall.errors import ConfigError

    if key_file is None:
        return {}
    try:
        keys = json.loads(key_file.read_text(encoding="utf-8"))
        return {source: str(keys[source]) for source in SOURCES}
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{key_file} must be JSON with a key for each of {', '.join(SOURCES)}") from None


def _play(
    estate: object,
    ingest_url: str | None,
    keys: dict[str, str],
    port: int,
    sources: Path | None,
    tick_seconds: float,
    hold: bool,
) -> tuple[int, dict[int, int]]:
    """Serve and play all ticks; returns registers posted and the server's answers by status."""
    import asyncio
    import contextlib
    import os
    import time

    from rich.console import Console
    from rich.progress import Progress

    from connectors.estate.estate import Estate
    from rollcall.cli.scenarios.ground import sources_of

    assert isinstance(estate, Estate)
    posted = 0
    token = os.environ.get("ESTATE_TOKEN", "estate-token")
    with estate.serve(port=port, token=token) as servers, Progress(console=Console(stderr=True)) as progress:
        for make, server in servers.items():
            typer.echo(f"{make}-shaped server: {server.base_url} (token in ESTATE_TOKEN)", err=True)
        if sources is not None:
            sources.write_text(json.dumps(sources_of(estate, servers), indent=2), encoding="utf-8")
        total = sum(len(submissions) for submissions in estate.script.submissions) if ingest_url else len(estate.ticks)
        bar = progress.add_task("Playing the day", total=total)
        for tick in estate.ticks:
            if ingest_url is None:
                estate.advance(tick)
                progress.advance(bar)
            else:
                posted += asyncio.run(
                    estate.play(ingest_url, keys, ticks=[tick], progress=lambda n: progress.advance(bar, n))
                )
            time.sleep(tick_seconds)
        if hold:
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(1)
    return posted, servers.requests


def _print(summary: dict[str, object]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_header=False)
    for name, value in summary.items():
        if isinstance(value, dict):
            value = ", ".join(f"{kind} {count}" for kind, count in value.items())
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)

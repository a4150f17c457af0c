"""`rollcall wonde`: pull schools through Wonde."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connectors.access import Access
    from connectors.runner import Pulled
    from rollcall.settings import Settings

__all__ = ["register"]

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Schools, base URL and tokens: TOML or JSON.", exists=True)
]
BaseUrl = Annotated[str | None, typer.Option(help="Instead of a file: the API's address.")]
TokenFile = Annotated[Path | None, typer.Option(help="Instead of a file: where the token is.", exists=True)]
Schools = Annotated[
    list[str] | None,
    typer.Option("--school", help="Instead of a file: WONDE-ID=URN, or WONDE-ID=URN=SCHEME. Repeat for more."),
]


def register(app: typer.Typer) -> None:
    """Add `rollcall wonde pull`, `check` and `resume`."""
    wonde = typer.Typer(no_args_is_help=True, help="Pull rosters and marks of schools through Wonde.")
    wonde.command(
        "pull",
        epilog="Examples: [bold]rollcall wonde pull --config wonde.toml --every 60[/bold]; "
        "[bold]rollcall wonde pull --config wonde.toml --window 2025-09-01 2025-09-12[/bold] reads two weeks whole. "
        "The file's form: a base_url, a token as env:NAME or file:PATH, and a list of schools with id and urn.",
    )(pull)
    wonde.command("check", epilog="Example: [bold]rollcall wonde check --config wonde.toml[/bold]")(check)
    wonde.command("resume", epilog="Example: [bold]rollcall wonde resume A1930499544[/bold]")(resume)
    app.add_typer(wonde, name="wonde")


def pull(
    config: ConfigFile = None,
    base_url: BaseUrl = None,
    token_file: TokenFile = None,
    school: Schools = None,
    every: Annotated[
        str | None, typer.Option(help="Pull again so long after: 60, 60s, 5m or 1h. Without it: once.", metavar="TIME")
    ] = None,
    window: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(
            help="First and last session date: read them whole, and leave the cursor alone.", formats=["%Y-%m-%d"]
        ),
    ] = None,
    what: Annotated[str, typer.Option(help="all, roster or marks.")] = "all",
    at_once: Annotated[int, typer.Option(help="Schools pulled at the same time.", min=1, max=256)] = 8,
    overlap: Annotated[float, typer.Option(help="Seconds before the last pull that are read again.", min=0)] = 120,
    today: Annotated[
        datetime | None, typer.Option(help="The day it is, for a day that is played.", formats=["%Y-%m-%d"])
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Pull what has changed at each school since the last time: the roster, marks of sessions and lessons, deletions.

    A school that refuses us is stopped and reported, one that has trouble is tried again next time; neither holds up
    the others. Leaves with 1 when a school could not be pulled whole. Stop with Ctrl-C: nothing is lost.
    """
    import asyncio
    import signal

    import structlog

    from connectors.contract import Window
    from connectors.wonde import pulling
    from rollcall import logging, metrics
    from rollcall.errors import UsageError

    if what not in ("all", "roster", "marks"):
        raise UsageError("--what is all, roster or marks")
    pause = None if every is None else _seconds(every)
    settings = _settings(home)
    logging.configure(settings.observability.log_level)
    span = None if window is None else Window(window[0].date(), window[1].date())
    if span is not None and span.first_day > span.last_day:
        raise UsageError("--window: the first day is later than the last")

    def finished(round_: list[Pulled]) -> None:
        rows = [_row(pulled) for pulled in round_]
        if as_json:
            typer.echo(json.dumps(rows))
        else:
            _print(rows)

    rounds = pulling.run(
        settings,
        _config(config, base_url, token_file, school),
        every=pause,
        window=span,
        what=what,  # type: ignore[arg-type]
        at_once=at_once,
        overlap=timedelta(seconds=overlap),
        today=None if today is None else today.date(),
        finished=finished,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service is stopped like a person stops it
    server = None
    if pause is not None:
        server = metrics.serve(settings.observability.metrics_host, settings.observability.metrics_port)
        structlog.get_logger().info("pulls_started", every_seconds=pause, metrics_port=server.port)
    try:
        last = asyncio.run(rounds)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    finally:
        if server is not None:
            server.close()
    if any(pulled.outcome != "pulled" for pulled in last):
        raise typer.Exit(1)


def check(
    config: ConfigFile = None,
    base_url: BaseUrl = None,
    token_file: TokenFile = None,
    school: Schools = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask each school whether we may read it, and whether it is the one we think. Changes nothing."""
    import asyncio

    from connectors.wonde import pulling

    found = asyncio.run(pulling.check(_settings(home), _config(config, base_url, token_file, school)))
    if as_json:
        typer.echo(json.dumps([{"school": source.id, "urn": source.urn, "found": lines} for source, lines in found]))
    else:
        for source, lines in found:
            typer.echo(f"{source.id} (URN {source.urn}): {'; '.join(lines) or 'good'}")
    if any(lines for _, lines in found):
        raise typer.Exit(1)


def resume(
    school: Annotated[str, typer.Argument(help="The Wonde id of a school that was stopped.")], home: Home = None
) -> None:
    """Pull a school again that had refused us, once it permits it. A new token does the same by itself."""
    from connectors.wonde import pulling

    why = pulling.resume(_settings(home), school)
    typer.echo(f"{school} was stopped: {why}. It is pulled again." if why else f"{school} is not stopped.")


def _seconds(time: str) -> float:
    """60, 60s, 5m or 1h, in seconds. Raises UsageError."""
    import re

    from rollcall.errors import UsageError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", time.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"--every {time}: 60, 60s, 5m or 1h is wanted")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _row(pulled: Pulled) -> dict[str, object]:
    return {
        "school": pulled.source.id,
        "urn": pulled.source.urn,
        "outcome": pulled.outcome,
        "pages": pulled.pages,
        "marks": pulled.marks,
        "deletions": pulled.deletions,
        "references": pulled.references,
        "refused": pulled.refused,
        "why": pulled.why,
    }


def _print(rows: list[dict[str, object]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "School", "URN", "Outcome", "Pages", "Marks", "Deletions", "Reference", "Refused", "Why", box=box.SIMPLE_HEAD
    )
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


def _config(file: Path | None, base_url: str | None, token_file: Path | None, schools: list[str] | None) -> Access:
    from connectors.access import secret
    from connectors.wonde import config
    from rollcall.errors import UsageError

    if file is not None:
        if base_url or token_file or schools:
            raise UsageError("give either --config, or --base-url, --token-file and --school")
        return config.load(file)
    if base_url is None or token_file is None:
        raise UsageError("give --config FILE, or --base-url and --token-file")
    parts: list[tuple[str, int, str]] = []
    for given in schools or []:
        school_id, _, rest = given.partition("=")
        urn, _, scheme = rest.partition("=")
        if not school_id or not urn.isdecimal():
            raise UsageError(f"--school {given}: WONDE-ID=URN is wanted, e.g. A1930499544=123456")
        parts.append((school_id, int(urn), scheme or "national"))
    return config.build(base_url, secret(f"file:{token_file.resolve()}", Path()), parts)


def _settings(home: Path | None) -> Settings:
    from rollcall.settings import Settings

    return Settings.load(home=home) if home is not None else Settings.load()

"""Loads of reference data from files, for rollcall/cli/reference.py: `rollcall reference load gias` and its like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.reference.load import Loaded
    from connectors.reference.table import Table
    from rollcall.settings import Settings

__all__ = ["register"]

Home = Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

#: Wrong rows that a person is shown; `--json` has all.
_SHOWN = 50


def register(group: typer.Typer) -> None:
    """Add the loads from files to `rollcall reference load`."""
    group.command(
        "gias",
        epilog="Examples: [bold]rollcall reference load gias edubasealldata20250915.csv[/bold]; with successors, "
        "[bold]rollcall reference load gias extract.csv --links links.csv --as-of 2025-09-15[/bold]. "
        "Then [bold]rollcall reference run[/bold], if it is not running, brings it in force.",
    )(load_gias)
    group.command(
        "calendar",
        epilog="Example: [bold]rollcall reference load calendar year.csv[/bold]. The file: "
        "level,code,kind,name,first_day,last_day, as la,330,term,Autumn,2025-09-01,2025-12-19; "
        "la,330,closure,half_term,2025-10-27,2025-10-31; school,140001,closure,inset,2025-09-01,2025-09-01; "
        "school,140001,weeks,A;B,2025-09-01, or the same as a JSON array.",
    )(load_calendar)
    group.command(
        "timetable",
        epilog="Example: [bold]rollcall reference load timetable registers.csv[/bold]. The file: "
        "urn,group_id,session,opens_at,closes_at,valid_from and, where wanted, "
        "valid_to,weekdays,weeks,groups,period, as 140001,7A,AM,08:45,09:15,2025-09-01,,1;2;3;4;5,A,, or the same as a "
        "JSON array.",
    )(load_timetable)
    group.command(
        "amendment-windows",
        epilog="Example: [bold]rollcall reference load amendment-windows windows.csv[/bold]. The file: "
        "urn,school_days,valid_from and, where wanted, valid_to, as *,5,2025-09-01; 140001,10,2025-09-01,2025-12-19, "
        "or the same as a JSON array; * is every school without a window of its own.",
    )(load_amendment_windows)


def load_gias(
    file: Annotated[Path, typer.Argument(help="The extract, edubasealldataYYYYMMDD.csv.")],
    links: Annotated[Path | None, typer.Option(help="The links file, links_edubasealldataYYYYMMDD.csv.")] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="The day of the extract.", metavar="YYYY-MM-DD", show_default="the day in the file's name"),
    ] = None,
    encoding: Annotated[str, typer.Option(help="How the files are encoded, if no byte order mark says it.")] = "cp1252",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Publish schools from GIAS's extract: only those of which it says something new.

    Phase is the Department's school type. A changed LA, trust, type or name counts from the day of the extract on,
    opening, closing and links for as long as the school is. Rows that cannot be read are named by line and column and
    left out; exit code 1 when there are any."""
    from connectors.reference.gias import date_in_name, read_links, read_schools
    from connectors.reference.load import load_schools
    from rollcall.cli import _dates
    from rollcall.errors import SchemaError, UsageError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway

    day = _dates.day("--as-of", as_of) if as_of is not None else date_in_name(file)
    if day is None:
        raise UsageError(f"{file}: its name does not say the day it was taken on; give --as-of YYYY-MM-DD")
    _known_encoding(encoding)
    schools = read_schools(file, encoding)
    linked = None if links is None else read_links(links, schools.frame, encoding)
    settings = Settings.load(home=home) if home is not None else Settings.load()
    try:
        loaded = load_schools(settings, schools, linked, day)
    except RegistryAway as error:
        raise SchemaError(str(error)) from None
    _tell(loaded, "schools", as_json)


def load_calendar(
    file: Annotated[Path, typer.Argument(help="CSV, UTF-8, or JSON.")], home: Home = None, as_json: Json = False
) -> None:
    """Publish school years: terms, closures and week cycles, of a school, or of an LA or trust for all its schools.

    Who states terms states the year: a school before its trust before its LA; closures of less specific levels than
    that do not count. Only calendars that changed are published; a school with a row that cannot be read keeps the one
    it has. Exit code 1 when there is such a row."""
    from connectors.reference.calendar import read_calendars
    from connectors.reference.load import load_calendars

    _load(load_calendars, read_calendars(file), "school years", home, as_json)


def load_timetable(
    file: Annotated[Path, typer.Argument(help="CSV, UTF-8, or JSON.")], home: Home = None, as_json: Json = False
) -> None:
    """Publish timetable versions: the registers each school of the file expects, with times, weekdays and weeks.

    The file is the whole timetable of its schools, past days too: a correction of the past is a new version, and what
    was known before stays answered. Only what changed is published; a school with a row that cannot be read keeps the
    version it has. Exit code 1 when there is such a row."""
    from connectors.reference.load import load_timetables
    from connectors.reference.timetable import read_timetables

    _load(load_timetables, read_timetables(file), "schools", home, as_json)


def load_amendment_windows(
    file: Annotated[Path, typer.Argument(help="CSV, UTF-8, or JSON.")], home: Home = None, as_json: Json = False
) -> None:
    """Put amendment windows in force: in how many school days after its session a mark may be amended.

    The file is all windows there are, by school and session date. With a row that cannot be read nothing of it comes
    in force; exit code 1. `rollcall ask amendments` goes by them."""
    from connectors.reference.amendment_windows import read_windows
    from connectors.reference.load import Loaded
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks.amendment_windows import Window, publish
    from sinks.clickhouse import connect

    table = read_windows(file)
    loaded = Loaded(table.rows, table.frame["urn"].n_unique(), wrong={table.name: table.wrong})
    if table.wrong:
        loaded.withheld, loaded.keys = loaded.keys, 0
    elif not table.rows:
        raise UsageError(f"{file}: holds no window")
    else:
        rows = table.frame.select(Window._fields).iter_rows()
        client = connect((Settings.load(home=home) if home is not None else Settings.load()).clickhouse)
        try:
            changed = publish(client, [Window(*row) for row in rows])
        finally:
            client.close()
        loaded.published, loaded.unchanged = (loaded.keys, 0) if changed else (0, loaded.keys)
    _tell(loaded, "schools", as_json)


def _load(
    publish: Callable[[Settings, Table], Loaded], table: Table, what: str, home: Path | None, as_json: bool
) -> None:
    from rollcall.errors import SchemaError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway

    settings = Settings.load(home=home) if home is not None else Settings.load()
    try:
        loaded = publish(settings, table)
    except RegistryAway as error:
        raise SchemaError(str(error)) from None
    _tell(loaded, what, as_json)


def _tell(loaded: Loaded, what: str, as_json: bool) -> None:
    """Print what a load did; rows that could not be read go to standard error. Leaves with 1 when there are any."""
    if as_json:
        typer.echo(json.dumps(loaded.as_json(), indent=2))
    else:
        parts = [f"{loaded.published:,} published", f"{loaded.unchanged:,} unchanged"]
        if loaded.older:
            parts.append(f"{loaded.older:,} left alone: what is known of them was taken later")
        typer.echo(f"{loaded.rows:,} rows, {loaded.keys:,} {what}: {', '.join(parts)}")
        if loaded.unmentioned:
            typer.echo(f"{loaded.unmentioned:,} known {what} are not in the file and stay as they are")
        for name, wrong in loaded.wrong.items():
            for one in wrong[:_SHOWN]:
                typer.secho(f"{name}, {one}", fg=typer.colors.YELLOW, err=True)
            if len(wrong) > _SHOWN:
                typer.echo(f"{name}: and {len(wrong) - _SHOWN:,} more; --json has them all", err=True)
        if loaded.withheld:
            typer.echo(
                f"{loaded.withheld:,} schools are left as they were: a row of theirs could not be read", err=True
            )
        if loaded.refused:
            typer.echo(f"{loaded.refused:,} rows could not be read and are left out: correct them and load again")
    if loaded.refused:
        raise typer.Exit(1)


def _known_encoding(encoding: str) -> None:
    import codecs

    from rollcall.errors import UsageError

    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageError(f"--encoding {encoding}: no such encoding; cp1252 and utf-8 are two") from None

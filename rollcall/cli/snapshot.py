"""`rollcall snapshot`: pull every school at cut-offs of a day, see who has answered, and what changed in between."""

from __future__ import annotations

import json
from datetime import date as calendar_date
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from connectors.snapshots.record import CutRecord
    from connectors.snapshots.schedule import Schedule

__all__ = ["register"]

_DAY = ["%Y-%m-%d"]
Home = Annotated[Path | None, typer.Option(help="Folder of the embedded stack.", show_default=".rollcall")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Name = Annotated[str, typer.Argument(help="The snapshot.")]


def register(app: typer.Typer) -> None:
    """Add `rollcall snapshot`."""
    snapshots = typer.Typer(no_args_is_help=True, help="Named pulls of every school at cut-offs, as on a strike day.")
    snapshots.command(
        "run",
        epilog="Examples: [bold]rollcall snapshot run --name strike-2023-02-01 --every 1h --from 07:00 --until 16:00"
        "[/bold]; [bold]rollcall snapshot run --name strike-2023-02-01[/bold] goes on with it; "
        "[bold]rollcall snapshot run --name flood-1 --source wonde[/bold] is one cut, now.",
    )(run)
    snapshots.command("list", epilog="Example: [bold]rollcall snapshot list --json[/bold].")(list_)
    snapshots.command(
        "show",
        epilog="Examples: [bold]rollcall snapshot show strike-2023-02-01[/bold] the newest cut; "
        "[bold]rollcall snapshot show strike-2023-02-01 --cut 14:00 --json[/bold].",
    )(show)
    snapshots.command(
        "diff",
        epilog="Example: [bold]rollcall snapshot diff strike-2023-02-01 13:00 14:00[/bold].",
    )(diff)
    snapshots.command(
        "rehearse",
        epilog="Examples: [bold]rollcall snapshot rehearse[/bold] in a minute; "
        "[bold]rollcall snapshot rehearse --schools 2000 --pupils 600000 --every 5m --deadline 4m[/bold]; "
        "[bold]rollcall snapshot rehearse --snow[/bold] a snow morning.",
    )(rehearse)
    app.add_typer(snapshots, name="snapshot")


def run(
    name: Annotated[str, typer.Option(help="What it is called, on every page and receipt.")],
    every: Annotated[str | None, typer.Option(help="Time between cuts: 30s, 20m or 1h.", metavar="TIME")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="First cut, time of day in London.", metavar="HH:MM")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Last cut.", metavar="HH:MM")] = None,
    date: Annotated[
        datetime | None, typer.Option(help="The session date that is read.", formats=_DAY, show_default="today")
    ] = None,
    at_once: Annotated[int, typer.Option(help="Schools of a source asked at the same time.", min=1, max=1024)] = 32,
    beside: Annotated[
        int | None,
        typer.Option(
            help="Slow schools that go on beside those; of more, the longest waiting is asked again behind all others.",
            min=1,
            show_default="as many connections as the process may open",
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Read everything at each cut: the same as --whole-every 1.")
    ] = False,
    whole_every: Annotated[
        int | None,
        typer.Option(
            help="Of so many cuts one reads everything; so do the first and the last.", min=1, show_default="4"
        ),
    ] = None,
    overlap: Annotated[
        float, typer.Option(help="Seconds before a school's last answer of which changes are read again.", min=0)
    ] = 120,
    deadline: Annotated[str, typer.Option(help="After this an answer is late.", metavar="TIME")] = "25m",
    source: Annotated[list[str] | None, typer.Option(help="Only this source; repeat for more.")] = None,
    today: Annotated[
        datetime | None, typer.Option(help="The day it is, for a day that is played.", formats=_DAY)
    ] = None,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, a line, for each cut.")] = False,
) -> None:
    """At each cut pull every permitted school of every source, for one session date.

    The first cut, each fourth after it and the last read the whole day. At the others a school that answered at the cut
    before is asked what changed since, if its make can be relied on to say so, and any other is read whole.

    Without --every, --from and --until there is one cut, now. No school's failure, slowness or silence delays another;
    cursors are left alone. Killed or stopped, the same command, or its name alone, goes on in the cut that is open and
    asks those that have not answered; cuts that went by in the meantime are said to be missed. Leaves with 1 when a
    school has not answered in time at some cut.
    """
    import asyncio
    import signal
    from dataclasses import replace

    from connectors.snapshots.record import load, names
    from connectors.snapshots.run import take
    from rollcall import logging
    from rollcall.cli._coverage import coverage, line

    settings = _settings(home)
    logging.configure(settings.observability.log_level)
    given = (every, from_, until, date, source, today)
    if whole:
        whole_every = 1
    if all(one is None for one in given) and name in names(settings):
        schedule = load(settings, name).schedule
    else:
        schedule = _schedule(name, every, from_, until, date, _seconds("--deadline", deadline), source, today)
    if whole_every is not None:
        schedule = replace(schedule, whole_every=whole_every)

    def told(record: CutRecord) -> None:
        found = coverage(load(settings, name), record)
        typer.echo(json.dumps(found) if as_json else line(found))

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service is stopped like a person stops it
    try:
        reach = timedelta(seconds=overlap)
        asyncio.run(take(settings, schedule, at_once=at_once, overlap=reach, beside=beside, told=told))
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on from here", err=True)
        raise typer.Exit(1) from None
    taken = load(settings, name)
    if not all(coverage(taken, record)["whole"] for record in taken.cuts):
        raise typer.Exit(1)


def list_(home: Home = None, as_json: AsJson = False) -> None:
    """Every snapshot: its day, its cuts, and how the newest cut stands."""
    from connectors.snapshots.record import load, names
    from rollcall.cli._coverage import coverage, newest
    from rollcall.cli._listed import table

    settings = _settings(home)
    rows: list[dict[str, Any]] = []
    for name in names(settings):
        snapshot = load(settings, name)
        cuts = snapshot.schedule.cuts
        rows.append(
            {
                "name": name,
                "date": snapshot.schedule.day.isoformat(),
                "first_cut": cuts[0].label,
                "last_cut": cuts[-1].label,
                "cuts": len(cuts),
                "taken": sum(record.begun for record in snapshot.cuts),
                "newest": coverage(snapshot, newest(snapshot)),
            }
        )
    if as_json:
        typer.echo(json.dumps(rows))
        return
    headings = ("Name", "Date", "First", "Last", "Cuts", "Taken", "Newest", "Schools", "Answered")
    table(
        headings,
        (
            (*(row[one] for one in ("name", "date", "first_cut", "last_cut", "cuts", "taken")), newest_["cut"],
             newest_["schools"], newest_["counts"]["answered"] + newest_["counts"]["late"])
            for row in rows
            for newest_ in (row["newest"],)
        ),
    )  # fmt: skip


def show(
    name: Name,
    cut: Annotated[
        str | None, typer.Option(help="The cut.", metavar="HH:MM", show_default="the newest one begun")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Who has answered at a cut, who has not and why, by source and local authority, and how old each answer is.

    Local authorities are named where ClickHouse answers and knows the schools. Leaves with 1 when a school has not
    answered in time.
    """
    from connectors.snapshots.record import load
    from rollcall.cli._coverage import coverage, newest, print_coverage, schools
    from rollcall.domain.clock import now

    settings = _settings(home)
    snapshot = load(settings, name)
    wanted = None if cut is None else snapshot.schedule.cut(cut)
    record = newest(snapshot) if wanted is None else next(one for one in snapshot.cuts if one.cut == wanted)
    at = now()
    found: dict[str, Any] = coverage(snapshot, record, at)
    found["of_schools"] = schools(snapshot, record, at, _las(settings, snapshot.schedule.day))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_coverage(found, [coverage(snapshot, one, at) for one in snapshot.cuts])
    if not found["whole"]:
        raise typer.Exit(1)


def diff(
    name: Name,
    cut_a: Annotated[str, typer.Argument(help="The earlier cut.", metavar="CUT_A")],
    cut_b: Annotated[str, typer.Argument(help="The later cut.", metavar="CUT_B")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What changed between two cuts, from the history in ClickHouse: marks by school and by code, and who answered at
    one of the cuts only.

    A cut is known when it is over and every page that came for it in time is taken in; what is compared are the marks
    of each source as they stood at these two instants. Leaves with 1 when something of a cut is still to be taken in:
    the answer may change then.
    """
    from connectors.snapshots.record import load
    from rollcall.cli._difference import difference, print_difference
    from sinks.clickhouse import connect

    settings = _settings(home)
    snapshot = load(settings, name)
    one, other = snapshot.schedule.cut(cut_a), snapshot.schedule.cut(cut_b)
    client = connect(settings.clickhouse)
    try:
        found = difference(client, snapshot, one, other)
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps(found))
    else:
        print_difference(found)
    if not found["final"]:
        raise typer.Exit(1)


def rehearse(
    schools: Annotated[int, typer.Option(min=10, help="Schools of the estate.")] = 12,
    pupils: Annotated[int, typer.Option(min=100, help="Pupils, over all schools.")] = 1_200,
    cuts: Annotated[int, typer.Option(min=3, max=4, help="Cuts, an hour apart in the estate's day.")] = 3,
    whole: Annotated[bool, typer.Option("--whole", help="Read everything at each cut, not only what changed.")] = False,
    every: Annotated[str, typer.Option(help="What an hour is shortened to.", metavar="TIME")] = "20s",
    deadline: Annotated[str, typer.Option(help="After this an answer is late.", metavar="TIME")] = "7s",
    seed: Annotated[int, typer.Option(help="Decides the estate and who is in trouble.")] = 1,
    snow: Annotated[
        bool,
        typer.Option(
            "--snow",
            help="Of 20 schools 3 are closed and say so (Y4), and 1 is offline until the last cut, which is noon.",
        ),
    ] = False,
    one_in: Annotated[
        int, typer.Option(min=8, help="Of so many schools one is in each of seven kinds of trouble at each cut.")
    ] = 50,
    beside: Annotated[
        int | None, typer.Option(min=1, help="As of `snapshot run`.", show_default="as there is room")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Folder for the stack, kept afterwards.", show_default="one that is removed")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rehearse a strike day on a stack of its own: schools that fail, refuse, are slow, silent, or break off in the
    middle of an answer, kill -9 of the snapshot in the middle of a cut, and everything held against what the simulated
    estate knows.

    Leaves with 1 when coverage, differences, history or receipts are not what they must be.
    """
    import shutil
    import tempfile

    from rich.console import Console

    from rollcall.cli.scenarios.strike import Plan, rehearse_on
    from rollcall.cli.scenarios.telling import Bars

    folder = home or Path(tempfile.mkdtemp(prefix="rollcall-strike-"))
    times = _seconds("--every", every), _seconds("--deadline", deadline)
    plan = Plan(folder, schools, pupils, cuts, *times, seed, snow, whole, one_in, beside)
    with Bars(Console(stderr=True), quiet=as_json) as bars:
        found = rehearse_on(plan, bars)
    if home is None and found.equal:
        shutil.rmtree(folder)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        for told in found.lines():
            typer.echo(told)
        if not found.equal:
            typer.echo(f"data and logs are kept in {folder}")
    if not found.equal:
        raise typer.Exit(1)


def _settings(home: Path | None) -> Any:
    from rollcall.settings import Settings

    return Settings.load(home=home) if home is not None else Settings.load()


def _schedule(
    name: str,
    every: str | None,
    first: str | None,
    last: str | None,
    date: datetime | None,
    deadline: float,
    sources: list[str] | None,
    today: datetime | None,
) -> Schedule:
    """The schedule that the options mean. Cuts are on the session date; for a day that is played, on the real day that
    stands for it; without times of day there is one cut, now. Raises UsageError."""
    from connectors.snapshots.schedule import Schedule, cuts_between, one_cut
    from rollcall.domain.clock import london_date, now
    from rollcall.errors import UsageError

    real = london_date(now())
    played: calendar_date = real if today is None else today.date()
    day: calendar_date = played if date is None else date.date()
    told = [every, first, last]
    if any(one is None for one in told) and not all(one is None for one in told):
        raise UsageError("--every, --from and --until are wanted together; without them there is one cut, now")
    if every is None or first is None or last is None:
        cuts = one_cut(now())
    elif day < played:
        raise UsageError(f"{day} is over: without --every, --from and --until it is read once, now")
    else:
        cuts = cuts_between(real + (day - played), first, last, timedelta(seconds=_seconds("--every", every)))
    played_day = None if today is None else played
    return Schedule(name, day, cuts, timedelta(seconds=deadline), tuple(sources or ()), played_day)


def _seconds(option: str, text: str) -> float:
    """60, 60s, 5m or 1h, in seconds. Raises UsageError."""
    import re

    from rollcall.errors import UsageError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"{option} {text}: 60, 60s, 5m or 1h is wanted")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _las(settings: Any, day: calendar_date) -> dict[int, str]:
    """URN -> name of its local authority on a day; nothing while ClickHouse does not answer."""
    from rollcall.errors import ClickHouseError
    from sinks.clickhouse import connect
    from sinks.snapshots import local_authorities

    try:
        client = connect(settings.clickhouse)
    except ClickHouseError as error:
        typer.echo(f"without local authorities: {error}", err=True)
        return {}
    try:
        return local_authorities(client, day)
    finally:
        client.close()

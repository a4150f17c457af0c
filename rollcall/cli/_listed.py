"""Tables for a person; sources and their schools as `rollcall sources` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from rich.console import Console
    from rich.table import Table

    from connectors.sources import Definition, School
    from connectors.state import SourceState

__all__ = ["listed_school", "listed_source", "rate", "table", "whole", "wrapped"]


def listed_source(source: Definition) -> dict[str, Any]:
    """A source as `list --json` prints it, without its schools."""
    return {
        "name": source.name,
        "make": source.make,
        "base_url": source.base_url,
        "secret": source.secret,
        "requests_a_second": source.requests_a_second,
        "options": dict(source.options),
        "revoked": [
            {"school": one.school, "urn": one.urn, "at": one.at.isoformat(timespec="seconds"), "reason": one.reason}
            for one in source.revoked
        ],
    }


def listed_school(source: Definition, school: School, state: SourceState, day: date) -> dict[str, Any]:
    """A school as `list --json` prints it; `stands` says in a line how it stands on this day."""
    if why_not := source.why_not(school.id, school.urn):
        stands = why_not
    elif not school.in_force(day):
        stands = "not yet" if school.first_day and day < school.first_day else "no longer"
    elif state.stopped:
        stands = f"stopped: {state.stopped}"
    else:
        stands = "not pulled yet" if state.cursor is None else f"pulled until {state.cursor:%Y-%m-%d %H:%M:%S} UTC"
    return {
        "id": school.id,
        "urn": school.urn,
        "code_scheme": school.code_scheme,
        "secret": school.secret,
        "from": school.first_day and school.first_day.isoformat(),
        "until": school.last_day and school.last_day.isoformat(),
        "stands": stands,
    }


def table(headings: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    """Print rows for a person; None is an empty cell."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(headings, 1):
        table.add_column(heading, no_wrap=place < len(headings))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    whole(Console(), table, 130)


def whole(console: Console, table: Table, least: int = 0) -> None:
    """Print a table uncut, `least` columns wide at least, and leave the console as wide.

    What is cut to a narrow terminal hides figures; what the terminal wraps does not.
    """
    needed = console.measure(table, options=console.options.update(width=1000)).maximum
    console.width = max(console.width, least, needed)
    console.print(table)


def rate(part: int, of: int) -> str:
    """A rate for a person, in per cent to two decimals, rounded half up (rule 19)."""
    from sinks.reports import percent

    value = percent(part, of)
    return "–" if value is None else f"{value:.2f}"


def wrapped(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows for a person, long cells over several lines where the terminal is narrow."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.width = max(console.width, 120)
    console.print(table)

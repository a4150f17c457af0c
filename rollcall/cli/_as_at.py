"""`--as-at`: the same question, asked as at a past instant."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

__all__ = ["AsAt", "asked"]

AsAt = Annotated[
    str | None,
    typer.Option(
        "--as-at",
        help="As known at this instant, by the code maps, rules and reference data of then; without an offset it is"
        " London time.",
        metavar="'DATE TIME'",
        show_default="now",
    ),
]


@contextmanager
def asked(
    at: datetime | None, first: date, last: date, urns: Collection[int] = (), asks: Collection[str] = ()
) -> Iterator[Client]:
    """A client of the settings' ClickHouse: of the present, or (`at`) as `sinks.as_at.opened` gives it."""
    from rollcall.settings import Settings
    from sinks.as_at import opened
    from sinks.clickhouse import connect

    client = connect(Settings.load().clickhouse)
    try:
        if at is None:
            yield client
        else:
            with opened(client, at, first, last, urns, asks) as then:
                yield then
    finally:
        client.close()

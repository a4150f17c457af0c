"""Asks the MIS of a school for its own counts, to be shown beside ours on the school's page."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from rollcall.domain.mis_rates import MisRates, mis_rates
from rollcall.errors import RollcallError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from rollcall.settings import Settings

__all__ = ["ask_mis"]


def ask_mis(settings: Settings, client: Client, urn: int, day: date) -> list[MisRates]:
    """What each source of the school says of the academic year so far, as it answers now; none where it has no source.

    A source that cannot be asked, or makes no summaries, is among them with the reason.
    """
    from connectors.sources_file import SourcesFile

    held = SourcesFile(settings.sources_file).current()
    # A source that names no school may have it: it says itself which it has.
    of_school = [one.name for one in held.values() if not one.schools or any(two.urn == urn for two in one.schools)]
    return [_of_source(settings, client, name, urn, day) for name in of_school]


def _of_source(settings: Settings, client: Client, name: str, urn: int, day: date) -> MisRates:
    import asyncio

    from rollcall.cli._second_pull import by_summary
    from rollcall.domain.codes import NATIONAL
    from sinks import categories
    from sinks.code_maps import in_force
    from sinks.school_report import code_scheme, span

    try:
        (account,) = asyncio.run(by_summary(settings, client, *span(day), [name], [urn]))
        if account.summary is None:
            return MisRates(name, why=account.why)
        entries = in_force(client, code_scheme(client, urn, name, day) or NATIONAL).entries
        rows = categories.in_force(client).rows
    except RollcallError as error:
        return MisRates(name, why=str(error))
    return mis_rates(name, account.summary, entries, rows, day)

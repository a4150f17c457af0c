"""What the demo asks of the database when its day is over, as an operator would: accounts, the report, one figure."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from rollcall.cli.reconcile import watermarks
from rollcall.cli.scenarios.ground import load
from rollcall.cli.scenarios.looked_into import LookedInto, look_into
from rollcall.cli.scenarios.upheaval import told
from rollcall.settings import Settings
from sinks.clickhouse import connect
from sinks.reconcile import Reconciliation, reconcile
from sinks.reports import DayReport, day_report
from sinks.verify import Verification, verify

if TYPE_CHECKING:
    from rollcall.cli.scenarios.front_desk import Desks, FrontDesk

__all__ = ["Answers", "ask"]


class Answers(NamedTuple):
    """`missing` and `findings`: as `Found` has them; `told`: as `upheaval.told` does."""

    account: Reconciliation
    rebuilt: Verification
    desks: Desks
    report: DayReport
    missing: list[Any]
    findings: list[Any]
    told: dict[str, int]
    looked_into: LookedInto


def ask(settings: Settings, day: date, desk: FrontDesk, explained_urn: int, noon: datetime) -> Answers:
    """Ask everything, over a connection of its own: the judge may read beside it, and nothing is written any more."""
    with closing(connect(settings.clickhouse)) as client:
        return Answers(
            reconcile(client, settings.worker.group, watermarks(settings.kafka), drained=True),
            verify(client),
            desk.judge(client),
            day_report(client, day, "phase", headline=False),
            list(client.query(load("missing_registers"), parameters={"day": day}).result_rows),
            list(client.query(load("findings")).result_rows),
            told(client),
            look_into(settings, client, day, explained_urn, noon),
        )

"""How the demo's day ends: one figure followed down to the bytes that caused it, and the day as known at noon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from rollcall.settings import Settings
from sinks.as_at import opened
from sinks.explaining import Cell, explain
from sinks.reports import day_report, statements

if TYPE_CHECKING:
    from sinks.explaining import Explained
    from sinks.reports import DayReport

__all__ = ["LISTED", "LookedInto", "look_into"]

#: Marks of the explained figure that are listed.
LISTED = 2


@dataclass(frozen=True)
class LookedInto:
    """The figure, its document as `rollcall explain --json` prints it, and the day of everybody as known at noon."""

    explained: Explained
    document: dict[str, Any]
    noon: DayReport

    def as_json(self) -> dict[str, Any]:
        """For `rollcall demo --json`."""
        return {
            "explained": {name: self.document[name] for name in ("cell", "figure", "parts_add_up_to", "equal")},
            "as_at_noon": self.noon.as_json(),
        }


def look_into(settings: Settings, client: Any, day: date, urn: int, noon: datetime) -> LookedInto:
    """Explain how many of a school were ill (in a very small one, present), and ask for the day as at an instant."""
    from rollcall.cli import _explained
    from rollcall.domain.report_columns import of_code

    found = explain(client, Cell(day, of_code("I"), urn=urn, headline=False), LISTED)
    if not found.figure:
        found = explain(client, Cell(day, of_code("/"), urn=urn, headline=False), LISTED)
    document = _explained.cell_document(settings, client, found, with_bytes=True)
    with opened(client, noon, day, day, asks=statements("statutory")) as then:
        return LookedInto(found, document, day_report(then, day, None, False, at=noon))

"""What is odd about a session date, by kind: schools' days as a whole, findings about accepted marks, and refusals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from clickhouse_connect.driver.client import Client

from rollcall.domain.quality import QUALITY
from sinks.statements import load

__all__ = ["Kind", "kinds_found"]

_SCHOOLS_DAYS = {finding.name: finding for finding in QUALITY}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding with its three sentences.

    ``of``: school (a view quality_<kind>), accepted (marks that stand, exceptions_found) or quarantined. ``found``: how
    many, of school: rows of its view, of duplicate_ids the ids.
    """

    kind: str
    of: str
    found: int
    schools: int
    what: str
    when_it_matters: str
    how_to_resolve: str

    def as_json(self) -> dict[str, Any]:
        """As an entry of `rollcall ask quality --json`."""
        return asdict(self)


def kinds_found(client: Client, day: date) -> list[Kind]:
    """What was found of a session date, the commonest first within schools, marks and refusals."""
    found = []
    for kind, of, number, schools, *told in client.query(load("quality_counts"), parameters={"day": day}).result_rows:
        if of == "school":
            own = _SCHOOLS_DAYS[kind]
            told = [own.what, own.when_it_matters, own.how_to_resolve]
        found.append(Kind(kind, of, int(number), int(schools), *told))
    return found

"""Is the current state what the history says? Rebuild it with the very expression of derive, and compare.

The history (`mark_event`) is the truth; `mark_assertion`, `mark_current`, `school_session` and, of lessons,
`period_current` are made from it. Verify makes them again in memory, slice by slice, and names every school and session
where a stored row is missing, surplus or says something else. It changes nothing; `repair` does. While workers write,
the tables are behind the history for a moment: a slice that differs is looked at again before it counts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client

from sinks.derive import counts_expression, current_expression, derive, in_use
from sinks.slices import slices
from sinks.statements import load

__all__ = ["TABLES", "Difference", "Verification", "repair", "verify"]

#: What is compared, in the order it is derived.
TABLES = ("mark_assertion", "mark_current", "school_session", "period_current")


@dataclass(frozen=True)
class Difference:
    """Rows of one table, school and session that are not what the history says.

    `kind`: missing (the history has it, the table does not), surplus (the other way round), differs.
    """

    table: str
    kind: str
    session_date: date
    urn: int
    session: str
    rows: int

    def as_json(self) -> dict[str, Any]:
        """As a row of `rollcall verify --json`."""
        return {**self.__dict__, "session_date": self.session_date.isoformat()}


@dataclass
class Verification:
    """What was compared, and what differs."""

    #: Table -> rows that it stores and that were compared.
    compared: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether every table says what the history says."""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """The document `rollcall verify --json` prints."""
        return {
            "equal": self.equal,
            "compared": {table: self.compared[table] for table in TABLES},
            "differences": [one.as_json() for one in self.differences],
        }


def verify(
    client: Client,
    day: date | None = None,
    on_day: Callable[[date, int, int], None] = lambda _day, _done, _days: None,
    tries: int = 3,
    pause: float = 1.0,
) -> Verification:
    """Compare the derived tables with the history, of one session date or (None) of all.

    `on_day(day, done, days)` is called before each slice, with its first day and how many days are done. A slice that
    differs is compared up to `tries` times, `pause` seconds apart, and counts as it is found last.
    """
    found = Verification()
    days = client.query(load("verify_days"), parameters={"day": day}).result_rows
    done = 0
    for one in slices(client, days):
        on_day(one.first_day, done, len(days))
        parameters = asdict(one)
        for attempt in range(tries):
            differences = list(_differences(client, parameters))
            if not differences or attempt == tries - 1:
                break
            time.sleep(pause)
        found.differences += differences
        sizes = client.query(load("verify_sizes"), parameters=parameters).result_rows[0]
        found.compared.update(dict(zip(TABLES, sizes, strict=True)))
        done += one.days
    return found


def repair(client: Client, differences: list[Difference]) -> int:
    """Make what differs again from the history: assertions, lessons, then derive. Returns how many school days it was.

    Heals what is missing or behind, as after a power loss that took derived rows which were not on disk yet. It cannot
    take back a row that claims to have seen more than the history holds (a surplus): verify again says what is left.
    """
    wrong: dict[date, set[int]] = {}
    for one in differences:
        wrong.setdefault(one.session_date, set()).add(one.urn)
    for day, urns in sorted(wrong.items()):
        batch = uuid4().int & (2**64 - 1)
        parameters = {"day": day.isoformat(), "urns": sorted(urns), "batch": batch}
        for name in ("repair_assertions", "repair_periods", "repair_touched"):
            client.command(load(name), parameters=parameters, settings={"async_insert": 0, "insert_deduplicate": 0})
        derive(client, [batch])
    return sum(len(urns) for urns in wrong.values())


def _differences(client: Client, parameters: dict[str, Any]) -> Iterator[Difference]:
    def compared(table: str, name: str, rebuilt: str) -> list[Difference]:
        # One row, whatever is found: the embedded engine plans a statement once more to tell the columns of no rows.
        statement = f"SELECT groupArray(tuple(*)) FROM ({load(name).replace('{rebuilt}', rebuilt)})"
        ((rows,),) = client.query(statement, parameters=parameters).result_rows
        return [Difference(table, *row) for row in rows]

    assertions = load("verify_assertions")
    lessons = load("verify_periods")
    used = in_use(client)
    marks = current_expression(
        assertions, load("slice_reasserted"), used.rules, linked=used.linked,
        lessons=lessons if used.from_lessons else None,
    )  # fmt: skip
    current = f"({marks})"
    yield from compared("mark_assertion", "verify_assertion_differences", assertions)
    wrong = compared("mark_current", "verify_current_differences", current)
    yield from wrong
    # Marks that were found right need not be made from the history a second time to be counted.
    counts = f"({counts_expression(current if wrong else load('verify_current'), load('verify_no_counts'))})"
    yield from compared("school_session", "verify_count_differences", counts)
    yield from compared("period_current", "verify_period_differences", lessons)

"""Answers for people: a day's attendance, by trust, local authority, phase, school or year group.

Counts are added up in SQL, over pooled sessions; a rate is made from the added counts, and rounded (half up) only here,
where it is printed (rule 19). What is missing is neither absent nor present and is counted apart (rules 3 and 15); a
code that no map knows is *unknown* and is in no rate (rule 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from clickhouse_connect.driver.client import Client

from rollcall.domain.phases import PHASES
from rollcall.errors import UsageError
from sinks.as_at import Known, known
from sinks.statements import load

__all__ = [
    "BASES",
    "GROUPINGS",
    "YEAR_GROUPS",
    "Basis",
    "DayReport",
    "Grouping",
    "Line",
    "check",
    "day_report",
    "percent",
    "statements",
]

Grouping = Literal["trust", "la", "phase", "school", "year-group"]
GROUPINGS: tuple[str, ...] = get_args(Grouping)
Basis = Literal["statutory", "live"]
#: Rule 17. statutory: registers and MIS only, every publication uses it; live: kiosks where a mark is missing or N.
BASES: tuple[str, ...] = get_args(Basis)
#: In the order reports show them.
YEAR_GROUPS: tuple[str, ...] = ("N1", "N2", "R", *map(str, range(1, 15)))
_WITHOUT = {
    "school": "school not known",
    "trust": "in no trust",
    "la": "LA not known",
    "phase": "phase not known",
    "year-group": "not on roll",
}


def percent(part: int, whole: int, places: int = 2) -> Decimal | None:
    """100 * part / whole, rounded half up to so many decimals as the Department does; None when `whole` is 0."""
    if whole == 0:
        return None
    return Decimal((200 * 10**places * part + whole) // (2 * whole)).scaleb(-places)


@dataclass(frozen=True)
class Line:
    """One row of a report. Counts are of sessions, but for schools, pupils and missing registers."""

    key: str
    label: str
    #: Schools with at least one mark that counts, and schools whose calendar says that the day is open.
    schools: int
    schools_expected: int
    #: On roll that day at those schools.
    pupils: int
    possible: int
    attendance: int
    authorised: int
    unauthorised: int
    late: int
    unknown: int
    missing_marks: int
    missing_registers: int
    #: Findings about accepted marks (exceptions_found), of all marks whoever is in scope.
    exceptions: int

    @property
    def absence(self) -> int:
        """Authorised and unauthorised."""
        return self.authorised + self.unauthorised

    def as_json(self) -> dict[str, Any]:
        """Counts, and rates in percent of possible sessions, rounded half up to two decimals; None without sessions."""
        rates = {name: percent(getattr(self, name), self.possible) for name in _RATES}
        return {
            **{name: getattr(self, name) for name in ("key", "label", "schools", "schools_expected", "pupils")},
            **{name: getattr(self, name) for name in ("possible", "attendance", "absence", "authorised")},
            **{name: getattr(self, name) for name in ("unauthorised", "late", "unknown")},
            **{name: getattr(self, name) for name in ("missing_marks", "missing_registers", "exceptions")},
            **{f"{name}_rate": None if rate is None else float(rate) for name, rate in rates.items()},
        }


_RATES = ("attendance", "absence", "authorised", "unauthorised", "late")


@dataclass(frozen=True)
class DayReport:
    """One day: the total, a line per member of the grouping (none when no grouping was asked for), and the findings."""

    day: date
    by: Grouping | None
    headline: bool
    basis: Basis
    total: Line
    lines: tuple[Line, ...]
    #: Exception or reason -> how many, over all schools and pupils.
    exceptions: dict[str, int]
    quarantined: dict[str, int]
    known: Known

    @property
    def scope(self) -> str:
        """Who is counted, in words."""
        if self.headline:
            return "pupils aged 5 to 15 in state-funded primary, secondary and special schools"
        return "all pupils of all schools"

    def as_json(self) -> dict[str, Any]:
        """The document `rollcall report day --json` prints."""
        return {
            "date": self.day.isoformat(),
            "basis": self.basis,
            "scope": "headline" if self.headline else "all",
            "by": self.by,
            **self.known.as_json(),
            "total": self.total.as_json(),
            "lines": [line.as_json() for line in self.lines],
            "exceptions": self.exceptions,
            "quarantined": self.quarantined,
        }


def day_report(
    client: Client, day: date, by: Grouping | None = None, headline: bool = True, basis: Basis = "statutory",
    at: datetime | None = None, urns: Sequence[int] = (),
) -> DayReport:  # fmt: skip
    """The report of one session date, of the sessions that have begun, on one of the bases of rule 17.

    `headline` counts what rule 14 counts; without it, everybody. Schools, trusts, LAs and phases are those of the date
    (rule 12). `at`: the instant as at which `client` answers (`sinks.as_at.opened`); None: now. `urns`: of these
    schools alone; of all when empty. Raises UsageError for a grouping or a basis that there is none of.
    """
    check(by, basis)
    asked = {"day": day, "by": by or "all", "headline": int(headline), "urns": list(urns)}
    rows = client.query(_sql(basis), parameters=asked).result_rows
    totals = [Line("", "total", *counts) for is_total, _, _, *counts in rows if is_total]
    lines = [
        Line(key, label or _WITHOUT.get(by or "", "total"), *counts)
        for is_total, key, label, *counts in rows
        if not is_total
    ]
    findings = client.query(load("report_day_findings"), parameters=asked).result_rows
    return DayReport(
        day=day,
        by=by,
        headline=headline,
        basis=basis,
        total=totals[0] if totals else Line("", "total", *[0] * 12),
        lines=tuple(sorted(lines, key=_order(by))) if by else (),
        exceptions={name: found for name, accepted, found in findings if accepted},
        quarantined={name: found for name, accepted, found in findings if not accepted},
        known=known(client, at),
    )


def check(by: str | None, basis: str) -> None:
    """Raises UsageError for a grouping or a basis that there is none of."""
    if basis not in BASES:
        raise UsageError(f"a report's basis is {' or '.join(BASES)}; not {basis}")
    if by is not None and by not in GROUPINGS:
        raise UsageError(f"a report is by {', '.join(GROUPINGS)}; not by {by}")


def statements(basis: str) -> tuple[str, ...]:
    """What `day_report` asks, for `sinks.as_at.opened`."""
    return _sql(basis), load("report_day_findings")


def _sql(basis: str) -> str:
    live = basis == "live"
    return (
        load("report_day")
        .replace("{counts}", "session_counts_live" if live else "session_counts")
        .replace("{still_missing}", load("report_day_still_missing") if live else "true")
    )


def _order(by: Grouping | None) -> Callable[[Line], tuple[int, str, str]]:
    """Phases and year groups in their own order, the rest by name."""
    own: tuple[str, ...] = {"phase": PHASES, "year-group": YEAR_GROUPS}.get(by or "", ())
    places = {name: place for place, name in enumerate(own)}
    return lambda line: (places.get(line.key, len(own)), line.label, line.key)

"""What a local authority is told of its schools' pupils (rule 25), of a period.

Thresholds are those of the rule; where the law behind one was not at hand (days of unauthorised absence, days of
illness) it is general knowledge. Sums, thresholds and days on roll are those of absence (sinks/absence.py), of all
schools that the authority is responsible for today, whatever their kind; nursery and post-16 pupils aside.
Basis: statutory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import london_date, now
from rollcall.errors import UsageError
from sinks import absence
from sinks.as_at import Known, known
from sinks.statements import load

__all__ = ["KINDS", "Asked", "Return", "Returns", "returns", "schools_of", "statements"]

#: Kind of return -> what it is, and what its amount is of.
KINDS: dict[str, str] = {
    "unauthorised-days": "ten school days of unauthorised absence, one after the other (days)",
    "sickness": "illness on 15 school days, in a row or in all (days)",
    "unauthorised-sessions": "ten unauthorised sessions within ten school weeks, at any of the schools (sessions)",
    "severe": "absent for half of the possible sessions or more (sessions)",
    "part-time": "C2, a temporary reduced timetable (sessions)",
    "excluded": "E, suspended or excluded (sessions)",
    "dual-unmarked": "D, without a mark at another school (sessions)",
}
_STATEMENTS = ("enrolments", "sessions", "severe", "dual")
#: Nursery and post-16, of whom there are no returns.
_NOT_OF = frozenset({"N1", "N2", "12", "13", "14"})


class Asked(NamedTuple):
    """By which authority (three-digit code), of which session dates (both inclusive) and schools (all when empty)."""

    la: str
    first: date
    last: date
    urns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Return:
    """One pupil of whom the authority is told, and why. `amount`: days or sessions, from `first_day` to `last_day`."""

    kind: str
    urn: int
    school_name: str
    pupil_id: int
    year_group: str
    amount: int
    first_day: date
    last_day: date


@dataclass(frozen=True)
class Returns:
    """All returns of a period, by kind, school and pupil."""

    asked: Asked
    rows: tuple[Return, ...]
    known: Known

    @property
    def pupils(self) -> dict[tuple[str, int, str], int]:
        """(kind, URN, school) -> pupils."""
        return dict(Counter((one.kind, one.urn, one.school_name) for one in self.rows))

    def as_json(self, named: bool) -> dict[str, Any]:
        """The document `rollcall report returns --json` prints; `named`: each pupil by pupil_id, else their number."""
        document = {
            "local_authority": self.asked.la,
            "from": self.asked.first.isoformat(),
            "to": self.asked.last.isoformat(),
            "basis": "statutory",
            **self.known.as_json(),
        }
        if named:
            dates = ("first_day", "last_day")
            rows = [{**asdict(one), **{name: getattr(one, name).isoformat() for name in dates}} for one in self.rows]
            return {**document, "returns": rows}
        counted = [
            {"kind": kind, "urn": urn, "school_name": name, "pupils": pupils}
            for (kind, urn, name), pupils in self.pupils.items()
        ]
        return {**document, "returns": counted}


def returns(client: Client, asked: Asked, schools: dict[int, str], at: datetime | None = None) -> Returns:
    """The returns of an authority's `schools` (`schools_of`), of the sessions that have begun.

    `at`: the instant as at which `client` answers (`sinks.as_at.opened`); None: now.
    """
    of = absence.Asked(asked.first, asked.last, urns=tuple(schools), headline=False)
    parameters = absence.parameters(of, (), at=at)
    kinds = list(KINDS)
    found = [
        Return(kind, urn, schools[urn], pupil_id, year_group, amount, first_day, last_day)
        for name in _STATEMENTS
        for kind, urn, pupil_id, year_group, amount, first_day, last_day in client.query(
            absence.of_enrolments(f"report_returns_{name}"), parameters=parameters
        ).result_rows
        if year_group not in _NOT_OF and (not asked.urns or urn in asked.urns)
    ]
    found.sort(key=lambda one: (kinds.index(one.kind), one.school_name, one.urn, one.pupil_id))
    return Returns(asked, tuple(found), known(client, at))


def schools_of(client: Client, asked: Asked) -> dict[int, str]:
    """URN -> name of the schools that the authority is responsible for today: access follows that (rule 12).

    All of them, whichever are asked about: a pupil may be at two. Raises UsageError when there is none, and for a
    school asked about that is none of them.
    """
    parameters = {"today": london_date(now()).isoformat(), "la": asked.la}
    found = {int(urn): str(name) for urn, name in client.query(load("report_returns_schools"), parameters).result_rows}
    if not found:
        raise UsageError(f"local authority {asked.la} is not responsible for any school that Rollcall knows")
    if others := set(asked.urns) - set(found):
        raise UsageError(f"local authority {asked.la} is not responsible for school {min(others)}")
    return found


def statements() -> tuple[str, ...]:
    """What `returns` asks, for `sinks.as_at.opened`."""
    return tuple(absence.of_enrolments(f"report_returns_{name}") for name in _STATEMENTS)

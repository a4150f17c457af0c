"""Persistent and severe absence over a period, and bands of 5 per cent: of enrolments, by integers.

An enrolment (school and pupil, rule 20) is persistently absent when it was absent for a tenth of its possible sessions
or more, severely when for a half; of nothing possible it is none. Sums, thresholds and bands are made in one piece of
SQL (absence_enrolments.sql) that published files and returns use too. Basis: statutory. Of the present the sums are
made of packed weeks where these stand (sinks/weeks.py), and of the marks one by one elsewhere and of the past: the same
sums.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, NamedTuple, get_args

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import london_date, now
from rollcall.domain.phases import PHASES
from rollcall.domain.places import excluded_days, excluded_places
from rollcall.errors import UsageError
from sinks.as_at import Known, known
from sinks.reports import YEAR_GROUPS, percent
from sinks.statements import load
from sinks.weeks import of_authorities, stale

__all__ = [
    "BANDS",
    "GROUPINGS",
    "AbsenceReport",
    "Asked",
    "Grouping",
    "Line",
    "absence_report",
    "ask",
    "check",
    "of_enrolments",
    "parameters",
    "schools_of",
    "statements",
]

Grouping = Literal["trust", "la", "region", "phase", "la-phase", "school", "year-group"]
GROUPINGS: tuple[str, ...] = get_args(Grouping)
#: Bands of the share of possible sessions that were missed, in per cent: from, and below which; the last has no end.
BANDS: tuple[str, ...] = (*(f"{low}-{low + 5}" for low in range(0, 50, 5)), "50+")
#: Excluded days of a period are those of a year to date.
_BREAKDOWN = "YTD"
#: Weeks that are read from the marks cost several times what packed ones do, and each is named in the question: the
#: share and the number of them up to which packed weeks are worth it.
_FEW, _MANY = 0.25, 5_000
#: Schools of authorities that are named one by one: the names go into the URL.
_NAMED = 2_000
#: A statement that is not asked yet may be of any authorities.
_ANY = ("",)
#: Small tables are joined to the weeks in the order that stands there: to look for another costs a fifth of the answer.
_AS_WRITTEN = {"query_plan_optimize_join_order_limit": 0}
_WITHOUT = {"trust": "in no trust", "year-group": "not on roll"}


class Asked(NamedTuple):
    """Of which session dates (both inclusive), authorities (three-digit codes) and schools; all when empty.

    `headline` counts the pupils and schools of rule 14; without it, everybody.
    """

    first: date
    last: date
    las: Sequence[str] = ()
    urns: Sequence[int] = ()
    headline: bool = True


@dataclass(frozen=True)
class Line:
    """One row of a report: counts of enrolments and of their sessions."""

    key: str
    label: str
    #: Schools with such an enrolment, and schools that were open on some day of the period.
    schools: int
    schools_known: int
    enrolments: int
    possible: int
    absent: int
    persistent: int
    severe: int
    #: Of BANDS, enrolments with 20 possible sessions at least.
    bands: tuple[int, ...]

    @property
    def banded(self) -> int:
        """Enrolments that are in a band: with 20 possible sessions at least."""
        return sum(self.bands)

    def as_json(self) -> dict[str, Any]:
        """Counts; rates in per cent, rounded half up to two decimals, None of nothing."""
        names = ("key", "label", "schools", "schools_known", "enrolments", "possible", "absent", "persistent", "severe")
        rates = {
            "absence_rate": percent(self.absent, self.possible),
            "persistent_rate": percent(self.persistent, self.enrolments),
            "severe_rate": percent(self.severe, self.enrolments),
        }
        return {
            **{name: getattr(self, name) for name in names},
            **{name: None if rate is None else float(rate) for name, rate in rates.items()},
            "banded": self.banded,
            "bands": dict(zip(BANDS, self.bands, strict=True)),
        }


@dataclass(frozen=True)
class AbsenceReport:
    """A period: the total, a line per member of the grouping (none when no grouping was asked for)."""

    asked: Asked
    by: Grouping | None
    total: Line
    lines: tuple[Line, ...]
    known: Known
    #: Days that the Department leaves out of its series, of all places, and of some (a region's or authority's code).
    left_out: tuple[date, ...] = field(default=())
    left_out_there: tuple[tuple[str, date], ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The document `rollcall report absence --json` prints."""
        return {
            "from": self.asked.first.isoformat(),
            "to": self.asked.last.isoformat(),
            "basis": "statutory",
            "scope": "headline" if self.asked.headline else "all",
            "by": self.by,
            "local_authorities": list(self.asked.las),
            "schools": list(self.asked.urns),
            **self.known.as_json(),
            "days_left_out": [day.isoformat() for day in self.left_out],
            "days_left_out_there": [[place, day.isoformat()] for place, day in self.left_out_there],
            "total": self.total.as_json(),
            "lines": [line.as_json() for line in self.lines],
        }


def absence_report(
    client: Client, asked: Asked, by: Grouping | None = None, at: datetime | None = None
) -> AbsenceReport:  # fmt: skip
    """The report of a period, of the sessions that have begun.

    An enrolment's place (school, trust, LA, region, phase) and year group are those of its last day that counts. Each
    leaves out the days that its own authority does, so that lines add up. `at`: the instant as at which `client`
    answers (`sinks.as_at.opened`); None: now. Raises UsageError for a grouping that there is none of.
    """
    check(by)
    left_out = sorted(excluded_days(asked.first, asked.last, breakdown=_BREAKDOWN))
    there = sorted(excluded_places(asked.first, asked.last, _BREAKDOWN))
    rows = ask(client, "report_absence", {**parameters(asked, left_out, there, at), "by": by or "all"}, at)
    totals = [_line("", "total", counts) for is_total, _, _, *counts in rows if is_total]
    lines = [
        _line(key, label or _WITHOUT.get(by or "", "not known"), counts)
        for is_total, key, label, *counts in rows
        if not is_total
    ]
    return AbsenceReport(
        asked=asked,
        by=by,
        total=totals[0] if totals else _line("", "total", [*[0] * 7, [0] * len(BANDS)]),
        # Schools that sent nothing are of no year group.
        lines=_in_order(by, [line for line in lines if line.enrolments or by != "year-group"]) if by else (),
        known=known(client, at),
        left_out=tuple(left_out),
        left_out_there=tuple(there),
    )


def check(by: str | None) -> None:
    """Raises UsageError for a grouping that there is none of."""
    if by is not None and by not in GROUPINGS:
        raise UsageError(f"absence is by {', '.join(GROUPINGS)}; not by {by}")


def statements() -> tuple[str, ...]:
    """What `absence_report` asks, for `sinks.as_at.opened`."""
    return (of_enrolments("report_absence"),)


def ask(client: Client, name: str, parameters: dict[str, Any], at: datetime | None = None) -> Sequence[Sequence[Any]]:
    """The rows of a statement that reads `{enrolments}`. `parameters`: as `parameters` gives them, and its own.

    Of the present (`at` None) out of weeks, unless so many have changed since they were made that marks cost less.
    """
    if at is None:
        first, last = (date.fromisoformat(parameters[name]) for name in ("first", "last"))
        urns, las = _named(client, parameters["urns"], parameters["las"])
        changed, weeks = stale(client, first, last, urns, las)
        if len(changed) <= min(weeks * _FEW, _MANY):
            begun = parameters["last"] >= parameters["today"]
            statement = of_enrolments(name, las, of_weeks=True, begun=begun, of_marks=bool(changed))
            asked = {**parameters, "urns": urns, "stale": changed}
            return client.query(statement, parameters=asked, settings=_AS_WRITTEN).result_rows
    return client.query(of_enrolments(name, parameters["las"]), parameters=parameters).result_rows


def schools_of(client: Client, las: Sequence[str]) -> list[int]:
    """Schools that were, by any version, one of some authorities; [0] when there is none, for that is not every one."""
    found = client.query(load("publish_urns"), parameters={"las": list(las)}).result_rows
    return [int(urn) for (urn,) in found] or [0]


def _named(client: Client, urns: Sequence[int], las: Sequence[str]) -> tuple[Sequence[int], Sequence[str]]:
    """Which schools, and which authorities, to put conditions on: the schools of few authorities are named."""
    if not las:
        return urns, las
    named = schools_of(client, las)
    if len(named) > _NAMED:
        return urns, las
    return (sorted(set(named) & set(urns)) or [0]) if urns else named, ()


def of_enrolments(
    name: str, las: Collection[str] = _ANY, of_weeks: bool = False, begun: bool = True, of_marks: bool = True
) -> str:
    """A statement that reads `{enrolments}` (the sums, thresholds and band of each) or `{sessions}` (their marks).

    `las`: whether there is a condition on authorities. `of_weeks`: the sums out of packed weeks; `begun`: and some of
    the dates may not be over; `of_marks`: and some weeks are read from their marks.
    """
    text = load(name).replace("{enrolments}", load("absence_enrolments"))
    text = text.replace("{pupils}", load("absence_weeks" if of_weeks else "absence_pupils"))
    text = text.replace("{begun}", load("absence_begun" if begun else "absence_over"))
    text = text.replace("{packed}", load("weeks_packed" if of_marks else "weeks_none"))
    return text.replace("{sessions}", load("absence_sessions")).replace("{of_authorities}", of_authorities(las))


def parameters(
    asked: Asked, left_out: Collection[date], there: Collection[tuple[str, date]] = (), at: datetime | None = None
) -> dict[str, Any]:
    """The parameters of absence_sessions.sql: of sessions that had begun by `at` (None: by now)."""
    return {
        "first": asked.first.isoformat(),
        "last": asked.last.isoformat(),
        "today": london_date(at or now()).isoformat(),
        "excluded": [day.isoformat() for day in sorted(left_out)],
        "excluded_places": [(place, day.isoformat()) for place, day in sorted(there)],
        "las": list(asked.las),
        "urns": list(asked.urns),
        "headline": int(asked.headline),
    }


def _line(key: str, label: str, counts: Sequence[Any]) -> Line:
    schools, schools_known, enrolments, possible, absent, persistent, severe, bands = counts
    return Line(
        key, label, schools, schools_known, enrolments, possible, absent, persistent, severe, tuple(bands)
    )  # fmt: skip


def _in_order(by: Grouping, lines: list[Line]) -> tuple[Line, ...]:
    """Phases and year groups in their own order, the rest by name."""
    own: tuple[str, ...] = {"phase": PHASES, "year-group": YEAR_GROUPS}.get(by, ())
    places = {name: place for place, name in enumerate(own)}
    return tuple(sorted(lines, key=lambda line: (places.get(line.key, len(own)), line.label, line.key)))

"""A school's page: its day, what is open, its weeks and its term, and pupils near the thresholds of absence.

It asks what `rollcall ask` and `rollcall report day` ask, of one school, so that its figures are theirs. Counts are
added up by week and term, and a rate is made of the sums (rule 19). Thresholds compare integers. Basis: statutory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import london_date, now
from rollcall.domain.identity import academic_year, academic_year_days
from rollcall.errors import UsageError
from sinks import questions
from sinks.absence import Asked, of_enrolments, parameters
from sinks.as_at import Known, known
from sinks.reports import Line, day_report, percent
from sinks.reports import statements as day_statements
from sinks.statements import load

__all__ = ["N_MAY_STAND", "Pupil", "SchoolReport", "Sums", "code_scheme", "school_report", "span", "statements"]

_PUPILS = "school_report_pupils"
#: Rule 20: of fewer possible sessions nothing is said of who is near.
_LEAST_POSSIBLE = 20
#: School days in which an N may stand, as question_unexplained.sql has it.
N_MAY_STAND = 5
Standing = Literal["severe", "near severe", "persistent", "near persistent"]
_PARTS = ("about", "days", "codes", "sources", "findings")


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts of sessions over the session dates from `first` to `last`; `missing`: marks that should be there."""

    first: date
    last: date
    #: Session dates with a mark that counts.
    days: int
    marks: int
    possible: int
    attendance: int
    authorised: int
    unauthorised: int
    late: int
    unknown: int
    missing: int

    @property
    def absence(self) -> int:
        """Authorised and unauthorised."""
        return self.authorised + self.unauthorised

    def as_json(self) -> dict[str, Any]:
        """The counts, and rates in percent, rounded half up; None of nothing. `coverage`: marks of those expected."""
        rates = {
            "attendance_rate": percent(self.attendance, self.possible),
            "authorised_rate": percent(self.authorised, self.possible),
            "unauthorised_rate": percent(self.unauthorised, self.possible),
            "coverage": percent(self.marks, self.marks + self.missing),
        }
        return {
            **asdict(self), "absence": self.absence,
            **{name: None if rate is None else float(rate) for name, rate in rates.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pupil:
    """A pupil at, over or near a threshold. `to_go`: sessions of absence more that reach the threshold; 0 when over."""

    pupil_id: int
    year_group: str
    possible: int
    absent: int
    standing: Standing
    to_go: int


@dataclass(frozen=True)
class SchoolReport:
    """All that a school's page says, of the pupils counted: all of the school, or (`headline`) those of rule 14."""

    urn: int
    name: str
    phase: str
    la_name: str
    trust_name: str
    day: date
    headline: bool
    known: Known
    #: Of the day, as `rollcall report day --by school` has it.
    line: Line
    codes: list[dict[str, Any]]
    unmarked: list[dict[str, Any]]
    #: N of the term that still stands; `over`: longer than it may (rule 26).
    open_n: list[dict[str, Any]]
    conflicts: list[dict[str, Any]]
    amendments: list[dict[str, Any]]
    late: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    #: Name of the term; empty where no calendar says, and the term is then the academic year.
    term_name: str
    today: Sums
    weeks: tuple[Sums, ...]
    term: Sums
    year: Sums
    #: Whose marks count in the year so far.
    sources: list[dict[str, Any]]
    #: Pupils with a possible session in the year so far, and how many of them are persistently, severely absent.
    pupils: int
    persistent: int
    severe: int
    near: tuple[Pupil, ...]

    @property
    def scope(self) -> str:
        """Who is counted, in words."""
        if self.headline:
            return "pupils aged 5 to 15, where the school is a state-funded primary, secondary or special school"
        return "all pupils of the school"

    def as_json(self) -> dict[str, Any]:
        """The document `rollcall report school --json` prints."""
        return {
            "urn": self.urn, "school_name": self.name, "phase": self.phase, "la_name": self.la_name,
            "trust_name": self.trust_name, "date": self.day, "basis": "statutory",
            "scope": "headline" if self.headline else "all", **self.known.as_json(),
            "day": {**self.line.as_json(), "coverage": self.today.as_json()["coverage"]}, "codes": self.codes,
            "unmarked": self.unmarked, "open_n": self.open_n, "conflicts": self.conflicts,
            "amendments": self.amendments, "late": self.late, "findings": self.findings,
            "term": {"name": self.term_name, **self.term.as_json()}, "year": self.year.as_json(),
            "weeks": [week.as_json() for week in self.weeks], "sources": self.sources,
            "pupils": {
                "with_possible_sessions": self.pupils, "persistently_absent": self.persistent,
                "severely_absent": self.severe, "listed": [asdict(one) for one in self.near],
            },
        }  # fmt: skip


def school_report(
    client: Client, urn: int, day: date, headline: bool, near: int, at: datetime | None = None
) -> SchoolReport:
    """The page of a school on a session date. `near`: a pupil is near a threshold when so many more sessions of absence
    would reach it. `at`: the instant as at which `client` answers (`sinks.as_at.opened`, of the dates of `span`); None:
    now. Raises UsageError for a school that nobody told us of."""
    year_first, _ = span(day)
    place: dict[str, Any] = {"urn": urn, "day": day, "first": year_first, "last": day, "headline": int(headline)}
    (about,) = _ask(client, "about", place)
    if not about["told"]:
        raise UsageError(f"school {urn} is not known: rollcall reference load gias, or a school of another URN")
    term_first = about["term_first"] if about["terms"] else year_first
    monday = day - timedelta(days=day.weekday())
    lines = day_report(client, day, "school", headline, "statutory", at, [urn]).lines
    nothing = Line(str(urn), about["school_name"], *[0] * 12)
    days = [Sums(row.pop("session_date"), day, 1, **row) for row in _ask(client, "days", place)]
    pupils = _pupils(client, Asked(year_first, day, urns=(urn,), headline=headline), at)
    london_today = london_date(now() if at is None else at)

    def answer(question: str, first: date, window: int | None = None) -> list[dict[str, Any]]:
        return questions.answer(client, question, questions.Asked(first, day, london_today, (urn,), window))

    return SchoolReport(
        urn=urn, name=about["school_name"], phase=about["phase"], la_name=about["la_name"],
        trust_name=about["trust_name"], day=day, headline=headline, known=known(client, at),
        line=next((one for one in lines if one.key == str(urn)), nothing),
        codes=_ask(client, "codes", place),
        unmarked=answer("unmarked", day),
        open_n=[{**row, "over": row["school_days"] > N_MAY_STAND} for row in answer("unexplained", term_first, 0)],
        conflicts=answer("conflicts", monday), amendments=answer("amendments", term_first),
        late=answer("late", term_first), findings=_ask(client, "findings", place),
        term_name=about["term"], today=_sum(days, day, day), weeks=_weeks(days, term_first, day),
        term=_sum(days, term_first, day), year=_sum(days, year_first, day), sources=_ask(client, "sources", place),
        pupils=len(pupils),
        persistent=sum(row["is_persistent"] for row in pupils), severe=sum(row["is_severe"] for row in pupils),
        near=tuple(one for row in pupils if (one := _near(row, near)) is not None),
    )  # fmt: skip


def span(day: date) -> tuple[date, date]:
    """The session dates that a page is made of: the academic year so far."""
    return academic_year_days(academic_year(day))[0], day


def statements() -> tuple[str, ...]:
    """What `school_report` asks, for `sinks.as_at.opened`."""
    asked = ("unmarked", "unexplained", "conflicts", "amendments", "late")
    own = (load(f"school_report_{part}") for part in _PARTS)
    return (
        *own,
        of_enrolments(_PUPILS),
        *(questions.statement(question) for question in asked),
        *day_statements("statutory"),
    )


def code_scheme(client: Client, urn: int, source: str, day: date) -> str | None:
    """The scheme of the codes that a source gives of a school; None when it has given none in the academic year."""
    first, last = span(day)
    parameters = {"urn": urn, "source": source, "first": first, "last": last}
    rows = client.query(load("school_report_scheme"), parameters=parameters).result_rows
    return str(rows[0][0]) if rows else None


def _ask(client: Client, part: str, place: dict[str, Any]) -> list[dict[str, Any]]:
    return list(client.query(load(f"school_report_{part}"), parameters=place).named_results())


def _sum(days: Iterable[Sums], first: date, last: date) -> Sums:
    within = [one for one in days if first <= one.first <= last]
    names = ("marks", "possible", "attendance", "authorised", "unauthorised", "late", "unknown", "missing")
    counts = {name: sum(getattr(one, name) for one in within) for name in names}
    return Sums(first, last, sum(one.marks > 0 for one in within), **counts)


def _weeks(days: Sequence[Sums], first: date, last: date) -> tuple[Sums, ...]:
    """Monday to Sunday, of the weeks that have something."""
    mondays = sorted({one.first - timedelta(days=one.first.weekday()) for one in days if one.first >= first})
    return tuple(_sum(days, max(first, monday), min(last, monday + timedelta(days=6))) for monday in mondays)


def _pupils(client: Client, asked: Asked, at: datetime | None) -> list[dict[str, Any]]:
    """Each enrolment by the arithmetic of `sinks.absence`. No day is left out: that is for the Department's series."""
    found = client.query(of_enrolments(_PUPILS), parameters=parameters(asked, (), at=at))
    return list(found.named_results())


def _near(row: dict[str, Any], near: int) -> Pupil | None:
    """A pupil at, over or near the threshold of half or of a tenth, and how many absences more reach it.

    None for whoever is at none. With n absences more, both counts grow by n: a tenth is reached with
    9 n >= possible - 10 absent, half with n >= possible - 2 absent.
    """
    possible, absent = row["possible"], row["absent"]
    to_half, to_tenth = possible - 2 * absent, -((10 * absent - possible) // 9)
    told = possible >= _LEAST_POSSIBLE and absent > 0

    def stands(how: Standing, to_go: int) -> Pupil:
        return Pupil(row["pupil_id"], row["year_group"], possible, absent, how, to_go)

    if row["is_severe"]:
        return stands("severe", 0)
    if told and to_half <= near:
        return stands("near severe", to_half)
    if row["is_persistent"]:
        return stands("persistent", 0)
    return stands("near persistent", to_tenth) if told and to_tenth <= near else None

"""Code maps: every version and what it says, and what a map that nobody has published yet would change."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.code_maps import Span, changed_spans
from rollcall.domain.codes import MapEntry
from rollcall.domain.phases import PHASES
from rollcall.errors import UsageError
from sinks.derive import current_expression, in_use, of_lessons, of_what_is_said
from sinks.statements import load

__all__ = [
    "Change",
    "CodeMap",
    "DryRun",
    "Figures",
    "figures_after",
    "in_force",
    "pooled",
    "to_roll_back_to",
    "versions",
    "what_would_change",
]


@dataclass(frozen=True)
class CodeMap:
    """One version of a scheme's map. `author` and `reason` are empty where an older version of Rollcall applied it."""

    scheme: str
    version: int
    published_at: datetime
    author: str
    reason: str
    entries: tuple[MapEntry, ...]


class Change(NamedTuple):
    """Marks of a school and session date that would count otherwise: '' is a code that no map knows, '-' no mark."""

    session_date: date
    urn: int
    phase: str
    was: str
    becomes: str
    marks: int


@dataclass(frozen=True)
class Figures:
    """Sessions of the headline that have begun (rule 14). A rate is made of them when it is printed (rule 19)."""

    possible: int = 0
    attendance: int = 0
    authorised: int = 0
    unauthorised: int = 0
    #: Marks whose code no map knows: in no rate (rule 2).
    unknown: int = 0

    @property
    def absence(self) -> int:
        """Authorised and unauthorised."""
        return self.authorised + self.unauthorised

    def plus(self, other: Figures) -> Figures:
        """The sum of both."""
        return Figures(*(one + another for one, another in zip(self.counts(), other.counts(), strict=True)))

    def counts(self) -> tuple[int, ...]:
        """All five, in their order."""
        return self.possible, self.attendance, self.authorised, self.unauthorised, self.unknown


@dataclass(frozen=True)
class DryRun:
    """What a map would change. `before` and `after`: figures by phase over all session dates from `first` to `last`."""

    changes: tuple[Change, ...]
    first: date | None = None
    last: date | None = None
    before: Mapping[str, Figures] = field(default_factory=dict)
    after: Mapping[str, Figures] = field(default_factory=dict)

    @property
    def marks(self) -> int:
        """Current marks that would be others."""
        return sum(change.marks for change in self.changes)

    @property
    def schools(self) -> int:
        """Schools that have one."""
        return len({change.urn for change in self.changes})

    def figures(self) -> list[tuple[str, Figures, Figures]]:
        """As `pooled` gives them."""
        return pooled(self.before, self.after)


def pooled(before: Mapping[str, Figures], after: Mapping[str, Figures]) -> list[tuple[str, Figures, Figures]]:
    """(phase, before, after), phases in their order, and of all together as Total (rule 19: pooled)."""
    order = {phase: place for place, phase in enumerate(PHASES)}
    known = sorted(before, key=lambda phase: (order.get(phase, len(order)), phase))
    rows = [(phase, before[phase], after[phase]) for phase in known]
    one, other = Figures(), Figures()
    for _, of_before, of_after in rows:
        one, other = one.plus(of_before), other.plus(of_after)
    return [*rows, ("Total", one, other)]


def versions(client: Client, scheme: str | None = None) -> list[CodeMap]:
    """Every version of a scheme's map, or (None) of every scheme's: by scheme, the earliest first."""
    rows = client.query(load("code_maps"), parameters={"scheme": scheme}).named_results()
    return [_code_map(*of, list(found)) for of, found in groupby(rows, lambda row: (row["scheme"], row["version"]))]


def in_force(client: Client, scheme: str, at: datetime | None = None) -> CodeMap:
    """The map that a scheme's marks follow, or followed at an instant. Raises UsageError when there is none."""
    found = [one for one in versions(client, scheme) if at is None or one.published_at <= at]
    if not found:
        when = "" if at is None else f" at {at:%Y-%m-%d %H:%M:%S} UTC"
        raise UsageError(f"no code map of the scheme {scheme!r} is in force{when}")
    return found[-1]


def to_roll_back_to(client: Client, scheme: str, version: int | None = None) -> CodeMap:
    """The version to say again: the one before that in force when None. Raises UsageError, naming those there are."""
    known = versions(client, scheme)
    if not known:
        raise UsageError(f"no code map of the scheme {scheme!r} is in force")
    if version is None:
        if len(known) == 1:
            raise UsageError(f"{scheme}: version {known[0].version} is the only one; there is none before it")
        return known[-2]
    for one in known[:-1]:
        if one.version == version:
            return one
    if known[-1].version == version:
        raise UsageError(f"{scheme}: version {version} is the one in force")
    numbers = ", ".join(str(one.version) for one in known)
    raise UsageError(f"{scheme} has no version {version}; there are {numbers}")


def what_would_change(
    client: Client, scheme: str, entries: Sequence[MapEntry], first: date | None = None, last: date | None = None,
    on_day: Callable[[date, int, int], None] = lambda _day, _done, _days: None,
) -> DryRun:  # fmt: skip
    """The current marks that would be others if this were the map of its scheme. Writes nothing.

    Asks the very expression of derive, of pupils and sessions of whom something was said in a code that would mean
    something else, date by date, from `first` to `last` (None: as far as there are marks). `on_day(day, done, days)` is
    called before each. Figures are of all dates between, and where not both are given of those that change.
    """
    standing = versions(client, scheme)
    spans = changed_spans(standing[-1].entries if standing else (), entries)
    asked = {
        "scheme": scheme, "document": _document(entries), "spans": json.dumps([_span(span) for span in spans]),
        "first": (first or OPEN_START).isoformat(), "last": (last or OPEN_END).isoformat(),
    }  # fmt: skip
    found_days = client.query(of_what_is_said("code_maps_test_days"), parameters=asked).result_rows if spans else []
    days = [row[0] for row in found_days]
    statement, changes = _statement(in_use(client).from_lessons), []
    deltas: dict[str, Figures] = {}
    for done, day in enumerate(days):
        on_day(day, done, len(days))
        for urn, phase, was, becomes, marks, *sums in client.query(
            statement, parameters={**asked, "day": day.isoformat()}
        ).result_rows:
            changes.append(Change(day, urn, phase, was, becomes, marks))
            deltas[phase] = deltas.get(phase, Figures()).plus(Figures(*sums))
    if not changes:
        return DryRun(())
    begin, end = first or changes[0].session_date, last or changes[-1].session_date
    before, after = figures_after(client, begin, end, deltas)
    return DryRun(tuple(changes), begin, end, before, after)


def figures_after(
    client: Client, first: date, last: date, deltas: Mapping[str, Figures]
) -> tuple[dict[str, Figures], dict[str, Figures]]:
    """Figures by phase between two session dates as they are, and with what would be added to them."""
    span = {"first": first.isoformat(), "last": last.isoformat()}
    found = client.query(load("code_maps_test_figures"), parameters=span).result_rows
    before = {phase: Figures(*sums) for phase, *sums in found}
    phases = before.keys() | {phase for phase, delta in deltas.items() if any(delta.counts())}
    before = {phase: before.get(phase, Figures()) for phase in phases}
    return before, {phase: figures.plus(deltas.get(phase, Figures())) for phase, figures in before.items()}


def _statement(from_lessons: bool) -> str:
    counted = of_what_is_said("code_maps_test_counted")
    assertions = load("code_maps_test_assertions").replace("{counted}", counted)
    rebuilt = current_expression(
        assertions, "session_date = {day:Date}", code_map=load("code_maps_asked"),
        wanted=f"(b.urn, b.session, told.1) IN {counted}",
        lessons=of_lessons(assertions) if from_lessons else None,
    )  # fmt: skip
    return load("code_maps_test").replace("{rebuilt}", rebuilt).replace("{counted}", counted)


def _code_map(scheme: str, version: int, rows: Sequence[dict[str, Any]]) -> CodeMap:
    head = rows[0]
    return CodeMap(
        scheme, int(version), head["published_at"].replace(tzinfo=UTC), head["author"], head["reason"],
        tuple(_entry(row) for row in rows),
    )  # fmt: skip


def _entry(row: dict[str, Any]) -> MapEntry:
    first, last = row["valid_from"], row["valid_to"]
    span = None if first == OPEN_START else first, None if last == OPEN_END else last
    return MapEntry(row["raw_code"], row["canonical_code"], *span)


def _document(entries: Sequence[MapEntry]) -> str:
    """A map as code_maps_asked.sql reads it."""
    return json.dumps(
        [
            [*entry[:2], (entry.valid_from or OPEN_START).isoformat(), (entry.valid_to or OPEN_END).isoformat()]
            for entry in entries
        ]
    )


def _span(span: Span) -> list[str]:
    return [span.raw_code, span.first_day.isoformat(), span.last_day.isoformat()]

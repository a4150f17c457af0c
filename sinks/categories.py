"""What codes count as: every version of the document, and what one that nobody has published yet would change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.categories import CATEGORIES, CategoryRow, Span, changed_spans, in_order
from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.errors import UsageError
from sinks.category_rows import row_of
from sinks.code_maps import Figures, figures_after, pooled
from sinks.statements import load

__all__ = ["Change", "Document", "DryRun", "in_force", "to_roll_back_to", "versions", "what_would_change", "within"]


@dataclass(frozen=True)
class Document:
    """A version of what codes count as; 0 is the built-in one, which nobody has published."""

    version: int
    published_at: datetime
    author: str
    reason: str
    rows: tuple[CategoryRow, ...]

    @property
    def built_in(self) -> bool:
        """Whether it comes with Rollcall."""
        return self.version == 0


class Change(NamedTuple):
    """A code that would count as something else: on session dates of `span`, of which some have `sessions`.

    `sessions` are current marks of all pupils, statutory basis; `first_day` and `last_day` those of them.
    """

    span: Span
    sessions: int
    schools: int
    first_day: date
    last_day: date


@dataclass(frozen=True)
class DryRun:
    """What a document would change. `by_phase`: (phase, sessions, schools). `before` and `after`: figures by phase over
    all session dates from `first` to `last`."""

    changes: tuple[Change, ...] = ()
    sessions: int = 0
    schools: int = 0
    by_phase: tuple[tuple[str, int, int], ...] = ()
    first: date | None = None
    last: date | None = None
    before: Mapping[str, Figures] = field(default_factory=dict)
    after: Mapping[str, Figures] = field(default_factory=dict)

    def figures(self) -> list[tuple[str, Figures, Figures]]:
        """(phase, before, after), and of all together as Total."""
        return pooled(self.before, self.after)


def versions(client: Client) -> list[Document]:
    """Every version, the built-in one first."""
    rows = client.query(load("categories")).named_results()
    found = []
    for version, of_it in groupby(rows, key=lambda row: int(row["version"])):
        entries = list(of_it)
        head = entries[0]
        found.append(
            Document(
                version, head["published_at"].replace(tzinfo=UTC), head["author"], head["reason"],
                tuple(in_order(row_of(row) for row in entries)),
            )
        )  # fmt: skip
    return found


def in_force(client: Client, at: datetime | None = None) -> Document:
    """The version that figures follow; or followed at an instant (UTC), by when it was published."""
    return [one for one in versions(client) if at is None or one.built_in or one.published_at <= at][-1]


def within(client: Client, first: date, last: date) -> dict[str, list[str]]:
    """Code -> the categories in force that it has on some date of a span."""
    asked = {"first": first.isoformat(), "last": last.isoformat()}
    rows = client.query(load("categories_in_force"), parameters=asked).result_rows
    return {str(code): list(found) for code, found in rows}


def to_roll_back_to(client: Client, version: int | None = None) -> Document:
    """The version to say again: the one before that in force when None. Raises UsageError, naming those there are."""
    known = versions(client)
    if version is None:
        if len(known) == 1:
            raise UsageError("no categories were ever published: the built-in ones are in force")
        return known[-2]
    if known[-1].version == version:
        raise UsageError(f"version {version} of the categories is the one in force")
    for one in known:
        if one.version == version:
            return one
    numbers = ", ".join(str(one.version) for one in known)
    raise UsageError(f"there is no version {version} of the categories; there are {numbers}")


def what_would_change(
    client: Client, rows: Sequence[CategoryRow], first: date | None = None, last: date | None = None
) -> DryRun:
    """The sessions that would count otherwise if this were the document, from `first` to `last`. Writes nothing.

    None: as far as there are marks; figures are then of the session dates that change. `rows` must be checked.
    """
    spans = changed_spans(in_force(client).rows, rows)
    if not spans:
        return DryRun()
    asked = {
        "spans": json.dumps([_asked(span) for span in spans]), "codes": sorted({span.code for span in spans}),
        "first": (first or OPEN_START).isoformat(), "last": (last or OPEN_END).isoformat(),
    }  # fmt: skip
    changes, by_phase, deltas = [], [], {}
    sessions = schools = 0
    begin = end = None
    for of_span, of_phase, place, phase, *found in client.query(load("categories_test"), parameters=asked).result_rows:
        if of_span:
            changes.append(Change(spans[place - 1], *found[:4]))
        elif of_phase:
            by_phase.append((phase, *found[:2]))
            deltas[phase] = Figures(*found[4:])
        else:
            sessions, schools, begin, end = found[:4]
    if begin is None or end is None:
        return DryRun()
    begin, end = first or begin, last or end
    before, after = figures_after(client, begin, end, deltas)
    return DryRun(tuple(changes), sessions, schools, tuple(by_phase), begin, end, before, after)


def _asked(span: Span) -> list[object]:
    """A span as categories_test.sql reads it."""
    was, becomes = CATEGORIES[span.was], CATEGORIES[span.becomes]
    return [
        span.code, span.first_day.isoformat(), span.last_day.isoformat(), becomes.possible - was.possible,
        becomes.attendance - was.attendance,
        *((becomes.absence_type == kind) - (was.absence_type == kind) for kind in ("authorised", "unauthorised")),
    ]  # fmt: skip

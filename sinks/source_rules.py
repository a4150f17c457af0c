"""The rules between sources: what is in force, what a document would change, and when an instant of theirs comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.source_rules import SOURCE_KINDS, SourceRule, in_force
from sinks.derive import current_expression
from sinks.publications import Numbers
from sinks.reference_rows import to_arrow
from sinks.source_rule_rows import rows_of, rule_of
from sinks.statements import load

__all__ = ["Change", "Document", "documents", "latest", "next_turn", "turn", "what_would_change"]


@dataclass(frozen=True)
class Document:
    """A version of the rules. Several are of one document where it holds rules of knowledge time (rule 10)."""

    version: int
    author: str
    reason: str
    published_at: datetime
    known_from: datetime
    rules: tuple[SourceRule, ...]
    in_force: tuple[bool, ...]

    @property
    def built_in(self) -> bool:
        """Nobody has published one yet."""
        return self.version == 0

    def turns(self) -> list[datetime]:
        """The instants after `known_from` at which a rule comes in force, or is no more."""
        instants = {at for rule in self.rules for at in (rule.begins_at, rule.ends_at) if at is not None}
        return sorted(at for at in instants if at > self.known_from)


class Change(NamedTuple):
    """Marks of a school and session date that would count otherwise: what counts now, and what would."""

    session_date: date
    urn: int
    source: str
    code: str
    other_source: str
    other_code: str
    marks: int


def documents(client: Client) -> list[Document]:
    """Every version, the built-in one first."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in client.query(load("source_rules")).named_results():
        found.setdefault(int(row["version"]), []).append(row)
    return [_document(version, rows) for version, rows in sorted(found.items())]


def latest(client: Client) -> Document:
    """The version in force."""
    return documents(client)[-1]


def next_turn(client: Client) -> datetime | None:
    """The next instant at which the version in force must give way to a further one of its document."""
    return next(iter(latest(client).turns()), None)


def turn(client: Client, now: datetime) -> bool:
    """Where an instant of a rule has come: write the document as a new version; whether it had. Safe to repeat."""
    standing = latest(client)
    if not any(at <= now for at in standing.turns()):
        return False
    rows = rows_of(
        standing.rules, Numbers(client).next(), standing.author, standing.reason, standing.published_at, now
    )  # fmt: skip
    client.insert_arrow("source_rule", to_arrow("source_rule", rows), settings={"async_insert": 0})
    return True


def what_would_change(
    client: Client, rules: Sequence[SourceRule], at: datetime, day: date | None = None,
    on_day: Callable[[date, int, int], None] = lambda _day, _done, _days: None,
) -> list[Change]:  # fmt: skip
    """The current marks that would be others if `rules` were in force as they are at the instant `at`. Writes nothing.

    Asks the very expression of derive, of pupils for whose session several sources have a mark, date by date: of one
    session date, or (None) of all. `on_day(day, done, days)` is called before each.
    """
    asked = json.dumps([_asked(rule) for rule, holds in zip(rules, in_force(rules, at), strict=True) if holds])
    rebuilt = current_expression(
        load("source_rules_test_assertions"), "session_date = {day:Date}", load("source_rules_asked")
    )
    statement = load("source_rules_test").replace("{rebuilt}", rebuilt)
    days = [row[0] for row in client.query(load("source_rules_test_days"), parameters={"day": day}).result_rows]
    found: list[Change] = []
    for done, one in enumerate(days):
        on_day(one, done, len(days))
        rows = client.query(statement, parameters={"day": one, "document": asked}).result_rows
        found += [Change(one, *row) for row in rows]
    return found


def _asked(rule: SourceRule) -> list[Any]:
    """A rule as source_rules_asked.sql reads it."""
    kind = 0 if rule.source_kind is None else SOURCE_KINDS.index(rule.source_kind) + 1
    first, last = rule.first_day or OPEN_START, rule.last_day or OPEN_END
    return [
        rule.precedence, rule.name, rule.urn or 0, rule.source or "", kind, rule.code_class, list(rule.codes),
        first.isoformat(), last.isoformat(),
    ]  # fmt: skip


def _document(version: int, rows: Sequence[dict[str, Any]]) -> Document:
    head = rows[0]
    return Document(
        version, head["author"], head["reason"], _utc(head["published_at"]), _utc(head["known_from"]),
        tuple(rule_of(row) for row in rows), tuple(bool(row["in_force"]) for row in rows),
    )  # fmt: skip


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)

"""Rules for lessons (rule 7): what schools have published, and what is in force."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.lesson_rules import LessonRule, order
from sinks.derive import current_expression, of_lessons
from sinks.lesson_rule_rows import rule_of
from sinks.statements import load

__all__ = ["Change", "Published", "history", "latest", "what_would_change"]


@dataclass(frozen=True)
class Published:
    """A version of a school's rules; without any it withdraws those before it."""

    urn: int
    version: int
    author: str
    reason: str
    published_at: datetime
    rules: tuple[LessonRule, ...]


class Change(NamedTuple):
    """Marks of a session date that would be others: the code that counts now, and what would ('-' is no mark)."""

    session_date: date
    session: str
    was: str
    becomes: str
    marks: int


def history(client: Client, urn: int = 0) -> list[Published]:
    """Every version of a school's rules, of all schools (0) one after the other; the earliest first."""
    rows = client.query(load("lesson_rules"), parameters={"urn": urn}).named_results()
    found = []
    for (school, version), of_it in groupby(rows, key=lambda row: (row["urn"], row["version"])):
        entries = list(of_it)
        head = entries[0]
        rules = tuple(rule_of(row) for row in entries if row["name"])
        published_at = head["published_at"].replace(tzinfo=UTC)
        found.append(Published(school, version, head["author"], head["reason"], published_at, rules))
    return found


def latest(client: Client, urn: int) -> Published | None:
    """The version in force at a school; None where none was ever published."""
    return next(reversed(history(client, urn)), None)


def what_would_change(client: Client, urn: int, rules: Sequence[LessonRule]) -> list[Change]:
    """The current marks of a school that would be others if these were its rules. Writes nothing.

    Asks the very expression of derive, date by date, of all dates with lessons.
    """
    assertions = load("lesson_rules_test_assertions")
    rebuilt = current_expression(
        assertions, "session_date = {day:Date} AND urn = {urn:UInt32}", lessons=of_lessons(assertions),
        lesson_rules=load("lesson_rules_asked"),
    )  # fmt: skip
    statement = load("lesson_rules_test").replace("{rebuilt}", rebuilt)
    asked = {"urn": urn, "document": json.dumps([_asked(rule) for rule in rules])}
    found: list[Change] = []
    for (day,) in client.query(load("lesson_rules_test_days"), parameters=asked).result_rows:
        rows = client.query(statement, parameters={**asked, "day": day.isoformat()}).result_rows
        found += [Change(day, *row) for row in rows]
    return found


def _asked(rule: LessonRule) -> list[object]:
    """A rule as lesson_rules_asked.sql reads it."""
    first, last = rule.first_day or OPEN_START, rule.last_day or OPEN_END
    return [first.isoformat(), last.isoformat(), list(rule.am), list(rule.pm), list(order(rule.best))]

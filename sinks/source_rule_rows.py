"""A document of rules between sources as rows of `source_rule`, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.source_rules import SOURCE_KINDS, SourceRule, in_force, of_record

__all__ = ["FIRST_INSTANT", "LAST_INSTANT", "General", "general", "of_message", "rows_of", "rule_of"]

#: How the table writes "since ever" and "still" of an instant, as of a date.
FIRST_INSTANT = datetime(OPEN_START.year, OPEN_START.month, OPEN_START.day, tzinfo=UTC)
LAST_INSTANT = datetime(OPEN_END.year, OPEN_END.month, OPEN_END.day, tzinfo=UTC)

#: A code of each class that general rules tell apart: definite, N, and one that no map knows.
_OF_CLASSES = ("/", "N", "")


class General(NamedTuple):
    """Rules that are all of a kind of source and a class of codes and of nothing else, as derive_by_general_rules.sql
    reads them. Six entries: a definite code, N and an unmapped one of a register, then of an MIS.
    """

    precedence: list[int]
    #: (precedence, name) of the rules that are met, least precedence first.
    named: list[list[tuple[int, str]]]


def general(rules: Iterable[tuple[Any, ...]]) -> General | None:
    """The rules in force (source_rules_in_force.sql, least precedence first) if all of them are general, else None."""
    read = []
    for precedence, name, urn, source, kind, code_class, _, first, last in rules:
        if urn or source or code_class == "codes" or first > OPEN_START or last < OPEN_END:
            return None
        of_kind = SOURCE_KINDS[kind - 1] if kind else None
        read.append(SourceRule(name, precedence, source_kind=of_kind, code_class=code_class))
    named = [
        [(rule.precedence, rule.name) for rule in read if rule.meets("", kind, code, OPEN_START)]
        for kind in SOURCE_KINDS
        for code in _OF_CLASSES
    ]
    return General([max((precedence for precedence, _ in met), default=0) for met in named], named)


def rows_of(
    rules: Sequence[SourceRule], version: int, author: str, reason: str, published_at: datetime, known_from: datetime
) -> list[tuple[Any, ...]]:
    """Rows in the order of the table's columns, with what is in force at `known_from`."""
    return [
        (
            version, position, rule.name, rule.urn or 0, rule.source or "", rule.source_kind or "", rule.code_class,
            list(rule.codes), rule.precedence, rule.dates_mean, rule.first_day or OPEN_START,
            rule.last_day or OPEN_END, rule.begins_at or FIRST_INSTANT, rule.ends_at or LAST_INSTANT, holds, author,
            reason, published_at, known_from,
        )
        for position, (rule, holds) in enumerate(zip(rules, in_force(rules, known_from), strict=True))
    ]  # fmt: skip


def of_message(record: Mapping[str, Any], version: int, published_at: datetime) -> list[tuple[Any, ...]]:
    """Rows of a message of `reference.source-rule.v1`, in force as of its publication: the same whenever made."""
    rules = [of_record(rule) for rule in record["rules"]]
    return rows_of(rules, version, record["author"], record["reason"], published_at, published_at)


def rule_of(row: Mapping[str, Any]) -> SourceRule:
    """The rule that a row says."""

    def known(name: str, unsaid: Iterable[Any]) -> Any:
        value = row[name].replace(tzinfo=UTC) if isinstance(row[name], datetime) else row[name]
        return None if value in unsaid else value

    return SourceRule(
        name=row["name"], precedence=row["precedence"], urn=known("urn", (0,)), source=known("source", ("",)),
        source_kind=known("source_kind", ("",)), code_class=row["code_class"], codes=tuple(row["codes"]),
        dates_mean=row["dates_mean"], first_day=known("first_day", (OPEN_START,)),
        last_day=known("last_day", (OPEN_END,)), begins_at=known("begins_at", (FIRST_INSTANT,)),
        ends_at=known("ends_at", (LAST_INSTANT,)),
    )  # fmt: skip

"""A document of rules between sources as rows of `source_rule`, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.source_rules import SourceRule, in_force, of_record

__all__ = ["FIRST_INSTANT", "LAST_INSTANT", "of_message", "rows_of", "rule_of"]

#: How the table writes "since ever" and "still" of an instant, as of a date.
FIRST_INSTANT = datetime(OPEN_START.year, OPEN_START.month, OPEN_START.day, tzinfo=UTC)
LAST_INSTANT = datetime(OPEN_END.year, OPEN_END.month, OPEN_END.day, tzinfo=UTC)


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

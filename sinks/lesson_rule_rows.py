"""The rules of a school for lessons as rows of `lesson_rule`, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rollcall.domain.clock import OPEN_END, OPEN_START
from rollcall.domain.lesson_rules import LessonRule, of_record, order

__all__ = ["of_message", "rule_of"]


def of_message(record: Mapping[str, Any], version: int, published_at: datetime) -> list[tuple[Any, ...]]:
    """Rows of a message of `reference.lesson-rule.v1`, in the order of the table's columns.

    One without rules is a version too: without its row, what was said before would stand.
    """
    told = (record["author"], record["reason"], published_at)
    rules = [of_record(rule) for rule in record["rules"]]
    if not rules:
        return [(record["urn"], version, 0, "", OPEN_START, OPEN_START, [], [], [], [], *told)]
    return [
        (
            record["urn"], version, position, rule.name, rule.first_day or OPEN_START, rule.last_day or OPEN_END,
            list(rule.am), list(rule.pm), list(rule.best), list(order(rule.best)), *told,
        )
        for position, rule in enumerate(rules)
    ]  # fmt: skip


def rule_of(row: Mapping[str, Any]) -> LessonRule:
    """The rule that a row says."""
    first, last = row["first_day"], row["last_day"]
    return LessonRule(
        row["name"], tuple(row["am"]), tuple(row["pm"]), tuple(row["said_best"]),
        None if first == OPEN_START else first, None if last == OPEN_END else last,
    )  # fmt: skip

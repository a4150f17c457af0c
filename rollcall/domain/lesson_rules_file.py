"""A school's rules for lessons as a JSON file: what `rollcall lessons show --json` prints and `publish` reads.

An object with `school` (URN) and the list `rules`; whatever else it holds (a version, an author) is passed over. A rule
has `name`, `am` and `pm` (lists of lessons), and where it is not open or of its own order `from`, `to` (session dates,
both inclusive) and `best` (canonical codes, the best first).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rollcall.domain import rules_file
from rollcall.domain.lesson_rules import LessonRule, check
from rollcall.errors import UsageError

__all__ = ["read", "written"]

_FIELDS = ("name", "from", "to", "am", "pm", "best")
_WANTED = 'an object with "school" and the list "rules" is wanted, as `rollcall lessons show --json` prints it'


def read(file: Path) -> tuple[int, tuple[LessonRule, ...]]:
    """(URN, rules) of a file. Raises UsageError that names the rule and what is wrong with it."""
    document, entries = rules_file.read(file, _WANTED)
    urn = document.get("school")
    if not isinstance(urn, int) or isinstance(urn, bool):
        raise UsageError(f"{file}: school is a URN, a whole number")
    rules = tuple(_rule(entry, where) for entry, where in entries)
    try:
        check(urn, rules)
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from None
    return urn, rules


def written(rules: Sequence[LessonRule]) -> list[dict[str, Any]]:
    """The list `rules` of a file. What a rule does not say is left out."""
    entries = [
        {
            "name": rule.name, "from": rule.first_day and rule.first_day.isoformat(),
            "to": rule.last_day and rule.last_day.isoformat(), "am": list(rule.am), "pm": list(rule.pm),
            "best": list(rule.best) or None,
        }
        for rule in rules
    ]  # fmt: skip
    return [{name: value for name, value in entry.items() if value is not None} for entry in entries]


def _rule(entry: Any, where: str) -> LessonRule:
    rules_file.check_entry(entry, _FIELDS, where)
    name = entry.get("name")
    if not isinstance(name, str):
        raise UsageError(f"{where}: name is a text")
    return LessonRule(
        name, _texts(entry, "am", where), _texts(entry, "pm", where), _texts(entry, "best", where),
        _day(entry, "from", where), _day(entry, "to", where),
    )  # fmt: skip


def _texts(entry: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    value = entry.get(field) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UsageError(f"{where}: {field} is a list of texts")
    return tuple(value)


def _day(entry: Mapping[str, Any], field: str, where: str) -> date | None:
    value = entry.get(field)
    try:
        return None if value is None else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise UsageError(f"{where}: {field} is a session date, written 2026-01-05, not {value}") from None

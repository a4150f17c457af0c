"""A document of rules between sources as a JSON file: what `rollcall rules show --json` prints and `publish` reads.

An object with the list `rules`; whatever else it holds (a version, an author) is passed over. A rule has `name` and
`precedence`, and where it is not about everything `school` (URN), `source`, `source_kind`, `code_class` (a word, or a
list of codes), `from`, `to` and `dates_mean`. Dates of sessions are both inclusive; of knowledge they are instants,
London where they have no offset (rule 8), a date alone its first moment; from `to` on the rule holds no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from rollcall.domain import rules_file
from rollcall.domain.clock import local_instant, parse_local
from rollcall.domain.source_rules import SourceRule, check
from rollcall.errors import UsageError

__all__ = ["read", "written"]

#: What is in force is not the file's to say: `show` prints it, and it is passed over.
_FIELDS = (
    "name",
    "precedence",
    "school",
    "source",
    "source_kind",
    "code_class",
    "from",
    "to",
    "dates_mean",
    "in_force",
)
_WANTED = 'an object with the list "rules" is wanted, as `rollcall rules show --json` prints it'


def read(file: Path) -> tuple[SourceRule, ...]:
    """The rules of a file. Raises UsageError that names the rule and what is wrong with it."""
    _, entries = rules_file.read(file, _WANTED)
    rules = tuple(_rule(entry, where) for entry, where in entries)
    try:
        check(rules)
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from None
    return rules


def written(rules: Sequence[SourceRule]) -> list[dict[str, Any]]:
    """The list `rules` of a file. What a rule does not say is left out."""
    return [{name: value for name, value in _entry(rule).items() if value is not None} for rule in rules]


def _entry(rule: SourceRule) -> dict[str, Any]:
    begins, ends = (rule.first_day, rule.last_day) if rule.dates_mean == "session" else (rule.begins_at, rule.ends_at)
    return {
        "name": rule.name, "precedence": rule.precedence, "school": rule.urn, "source": rule.source,
        "source_kind": rule.source_kind, "code_class": list(rule.codes) or rule.code_class,
        "from": begins.isoformat() if begins else None, "to": ends.isoformat() if ends else None,
        "dates_mean": rule.dates_mean if begins or ends else None,
    }  # fmt: skip


def _rule(entry: Any, where: str) -> SourceRule:
    rules_file.check_entry(entry, _FIELDS, where)
    classes = entry.get("code_class") or "any"
    listed = isinstance(classes, list)
    dates_mean = _text(entry, "dates_mean", where) or "session"
    dates: dict[str, Any] = {}
    if dates_mean == "session":
        dates = {"first_day": _day(entry, "from", where), "last_day": _day(entry, "to", where)}
    elif dates_mean == "knowledge":
        dates = {"begins_at": _instant(entry, "from", where), "ends_at": _instant(entry, "to", where)}
    return SourceRule(
        name=_text(entry, "name", where) or "", precedence=_number(entry, "precedence", where) or 0,
        urn=_number(entry, "school", where), source=_text(entry, "source", where),
        source_kind=_text(entry, "source_kind", where), code_class="codes" if listed else str(classes),
        codes=tuple(map(str, classes)) if listed else (), dates_mean=dates_mean, **dates,
    )  # fmt: skip


def _text(entry: Mapping[str, Any], field: str, where: str) -> str | None:
    value = entry.get(field)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{where}: {field} is a text")
    return value or None


def _number(entry: Mapping[str, Any], field: str, where: str) -> int | None:
    value = entry.get(field)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise UsageError(f"{where}: {field} is a whole number")
    return value


def _day(entry: Mapping[str, Any], field: str, where: str) -> date | None:
    text = _text(entry, field, where)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(f"{where}: {field} is a session date, written 2026-01-05, not {text}") from None


def _instant(entry: Mapping[str, Any], field: str, where: str) -> datetime | None:
    text = _text(entry, field, where)
    if not text:
        return None
    try:
        if len(text) == len("2026-01-05"):
            return local_instant(datetime.combine(date.fromisoformat(text), time())).instant
        return parse_local(text).instant
    except ValueError:
        raise UsageError(f"{where}: {field} is an instant, written 2026-01-05T06:00, not {text}") from None

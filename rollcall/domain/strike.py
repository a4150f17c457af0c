"""Whether a school was open on a strike day, as its registers tell it: the declared rule, and what people declare.

`strike_rules.csv`: codes and thresholds, by version and session date. **The rule is an assumption of ours**: how the
Department told open from restricted in 2023 is not published. Before 19 August 2024 a closure had one code only, Y.
What the columns mean is said once, in sinks/sql/strike_schools.sql, which applies them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from rollcall.domain.clock import parse_local
from rollcall.errors import UsageError

__all__ = ["DECLARABLE", "ROLES", "STATUSES", "Declared", "StrikeRule", "read_declared", "rule_of"]

#: Rule 24. Not expected is outside every denominator.
STATUSES = ("open", "restricted", "closed", "unknown", "not expected")
#: What a school or its authority can declare where the registers leave it unknown.
DECLARABLE = ("open", "restricted", "closed")
#: Who can.
ROLES = ("school", "local authority")
_DECLARED = ("urn", "status", "declared_by", "role", "at")


@dataclass(frozen=True, slots=True)
class StrikeRule:
    """The rule for session dates from `first_day` to `last_day`, both inclusive."""

    version: str
    first_day: date
    last_day: date
    closed_codes: tuple[str, ...]
    restricted_codes: tuple[str, ...]
    not_expected_codes: tuple[str, ...]
    aside_codes: tuple[str, ...]
    marked_percent: int
    closed_percent: int
    restricted_percent: int
    year_group_percent: int
    year_group_pupils: int

    def as_json(self) -> dict[str, Any]:
        """All of it, as a manifest says it."""
        return {
            name: value.isoformat() if isinstance(value, date) else list(value) if isinstance(value, tuple) else value
            for name in self.__slots__
            for value in (getattr(self, name),)
        }


class Declared(NamedTuple):
    """A status that somebody declared. `by`: a reference, no name; `at`: when, UTC."""

    urn: int
    status: str
    by: str
    role: str
    at: datetime


def _read() -> tuple[StrikeRule, ...]:
    text = (resources.files("rollcall.domain") / "strike_rules.csv").read_text(encoding="utf-8")
    return tuple(_rule(row) for row in csv.DictReader(text.splitlines()))


def _rule(row: Mapping[str, str]) -> StrikeRule:
    def codes(name: str) -> tuple[str, ...]:
        return tuple(row[name].split())

    return StrikeRule(
        version=row["version"],
        first_day=date.fromisoformat(row["first_day"]),
        last_day=date.fromisoformat(row["last_day"]),
        closed_codes=codes("closed_codes"),
        restricted_codes=codes("restricted_codes"),
        not_expected_codes=codes("not_expected_codes"),
        aside_codes=codes("aside_codes"),
        marked_percent=int(row["marked_percent"]),
        closed_percent=int(row["closed_percent"]),
        restricted_percent=int(row["restricted_percent"]),
        year_group_percent=int(row["year_group_percent"]),
        year_group_pupils=int(row["year_group_pupils"]),
    )


_RULES = _read()


def rule_of(day: date) -> StrikeRule:
    """The rule for a session date, of the newest version."""
    return [one for one in _RULES if one.first_day <= day <= one.last_day][-1]


def read_declared(file: Path) -> list[Declared]:
    """Declared statuses of a CSV file with the columns urn, status, declared_by, role and at.

    An instant without an offset is London time (rule 8). Raises UsageError, naming the line, for what cannot be meant.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text)
            if missing := [name for name in _DECLARED if name not in (rows.fieldnames or ())]:
                raise UsageError(f"{file} is no file of declared statuses: it lacks {', '.join(missing)}")
            return [_declared(f"{file}, line {rows.line_num}", row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _declared(where: str, row: Mapping[str, str | None]) -> Declared:
    said = {name: (row[name] or "").strip() for name in _DECLARED}
    if not (said["urn"].isascii() and said["urn"].isdigit()):
        raise UsageError(f"{where}: {said['urn'] or 'nothing'} is no URN")
    for name, known in (("status", DECLARABLE), ("role", ROLES)):
        if said[name] not in known:
            raise UsageError(f"{where}: {name} is {', '.join(known)}; not {said[name] or 'empty'}")
    try:
        at = parse_local(said["at"]).instant
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    return Declared(int(said["urn"]), said["status"], said["declared_by"], said["role"], at)

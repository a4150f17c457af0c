"""What the name of a file says, where the source's options say how it is written.

A template is a file name with `*` for anything and, in braces, what is told: `{school}` (the school's id),
`{first_day}` and `{last_day}` (2025-09-10 or 20250910; without the last it is the first), `{taken_at}` (the instant of
the export, as 2025-09-10T0815, 20250910_081500 or 20250910T081500Z; London time without the Z). Nothing is read out
of a name that no template tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from connectors.contract import Window
from connectors.csvdrop.unreadable import Unreadable
from rollcall.domain.clock import local_instant
from rollcall.errors import ConfigError

__all__ = ["NameSays", "Template", "read_name"]

_DAY = r"\d{4}-?\d{2}-?\d{2}"
_TOLD = {
    "first_day": rf"(?P<first_day>{_DAY})",
    "last_day": rf"(?P<last_day>{_DAY})",
    "taken_at": rf"(?P<taken_at>{_DAY}[T_ -]?\d{{2}}[.:-]?\d{{2}}(?:[.:-]?\d{{2}})?Z?)",
}
_SCHOOL = "{school}"


class NameSays(NamedTuple):
    """What a file's name tells: the days that it is of, and the instant at which it was made, UTC."""

    window: Window | None = None
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """One way in which the names of a source's files are written. Raises ConfigError for a brace it does not know."""

    text: str
    _parts: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        parts = tuple(part for part in re.split(r"(\{[^}]*\}|\*)", self.text) if part)
        for part in parts:
            if part.startswith("{") and part != _SCHOOL and part[1:-1] not in _TOLD:
                known = ", ".join([_SCHOOL, *(f"{{{name}}}" for name in _TOLD)])
                raise ConfigError(f"names: {part} is not known; {known} are")
        object.__setattr__(self, "_parts", parts)

    @property
    def names_school(self) -> bool:
        """Whether a name tells the school."""
        return _SCHOOL in self._parts

    @property
    def names_days(self) -> bool:
        """Whether a name tells the days that the file is of."""
        return "{first_day}" in self._parts

    def match(self, name: str, school_id: str) -> re.Match[str] | None:
        """The parts of a file's name, of this school, whatever the case of its letters; None when it does not fit."""
        pattern = ""
        for part in self._parts:
            if part == "*":
                pattern += ".*"
            elif part == _SCHOOL:
                pattern += re.escape(school_id)
            else:
                pattern += _TOLD[part[1:-1]] if part.startswith("{") else re.escape(part)
        return re.fullmatch(pattern, name, re.IGNORECASE | re.DOTALL)


def read_name(templates: Sequence[Template], name: str, school_id: str) -> NameSays | None:
    """What a file's name says; None when it is no file of this school. Raises Unreadable when it says no date."""
    for template in templates:
        found = template.match(name, school_id)
        if found is None:
            continue
        said = {what: text for what, text in found.groupdict().items() if text is not None}
        try:
            first_day = _day(said["first_day"]) if "first_day" in said else None
            last_day = _day(said["last_day"]) if "last_day" in said else first_day
            taken_at = _instant(said["taken_at"]) if "taken_at" in said else None
        except ValueError:
            raise Unreadable("the file's name holds a date that there is not") from None
        if first_day is None or last_day is None:
            return NameSays(None, taken_at)
        if last_day < first_day:
            raise Unreadable("the file's name says a last day before its first")
        return NameSays(Window(first_day, last_day), taken_at)
    return None


def _day(text: str) -> date:
    return datetime.strptime(text.replace("-", ""), "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone


def _instant(text: str) -> datetime:
    digits = re.sub(r"\D", "", text)
    form = "%Y%m%d%H%M%S" if len(digits) == len("20250910081500") else "%Y%m%d%H%M"
    local = datetime.strptime(digits, form)  # noqa: DTZ007 - its zone is decided below
    return local.replace(tzinfo=UTC) if text.upper().endswith("Z") else local_instant(local).instant

"""Rule 18: what a source that tells of no deletions holds no more, found out by a complete pull of a window.

To know what is gone one must know what was said. So for each school of such a source it is kept, a small file for each
session date, which records were said and when (`said`), and which were withdrawn at some time (`gone`). The walk:

1. before marks are handed to Kafka, they are noted as said: what is on Kafka is always among them;
2. a pull that saw the whole window withdraws what was said before it began and it has not seen: noted as gone, then
   handed to Kafka as the deletions of its last page;
3. when Kafka has them, they are said no more.

Killed anywhere, the next complete pull finds the same records missing and withdraws them again; a repeat is a repeat.

A deletion must win over what was said before it, and lose against what is said after it, whatever the source's clock
says. So no mark of such a source is asserted later than its pull began; and a record that was once withdrawn is
asserted when it is said, not when it was modified, for it may come back with the time it had.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.contract import Pull
from connectors.encoding import days, milliseconds
from connectors.files import locked, write_durably
from rollcall.errors import ConfigError

__all__ = ["Withdrawals"]


@dataclass
class _Day:
    """What was said of one session date. said: record id to `taken_at` of the latest pull that said it, in ms."""

    said: dict[str, int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


class Withdrawals:
    """What one pull of one school says, and what it does not say any more. Other pulls of the school may run beside it.

    folder: of the source. Raises ConfigError, from every method, when a file in it cannot be read, and OSError when one
    cannot be written: then nothing may go on.
    """

    def __init__(self, folder: Path, pull: Pull) -> None:
        self._folder = folder / pull.source.id
        self._taken_at = milliseconds(pull.taken_at)
        self._seen: set[str] = set()
        self._missing: dict[int, set[str]] = {}
        # As it is now: what another pull says from here on may have come into the source behind our back. And only what
        # was said before this pull was taken: an older export that is read late knows nothing of what came after it.
        self._before = {
            day: {record for record, at in self._load(day).said.items() if at < self._taken_at}
            for day in self._days_of(pull)
        }

    def saying(self, marks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Note marks that are about to be said (1); returns them as they may be said."""
        of_day: dict[int, set[str]] = {}
        for mark in marks:
            of_day.setdefault(mark["session_date"], set()).add(mark["record_id"])
        gone: set[str] = set()
        with self._changing() as changed:
            for day, records in of_day.items():
                held = self._load(day)
                held.said.update((record, max(self._taken_at, held.said.get(record, 0))) for record in records)
                gone |= held.gone & records
                changed[day] = held
        self._seen.update(*of_day.values())
        return [self._as_said(mark, gone) for mark in marks]

    def missing(self) -> list[str]:
        """The record ids to withdraw, noted as gone (2). To be asked only when the whole window was seen."""
        self._missing = {day: missing for day, before in self._before.items() if (missing := before - self._seen)}
        with self._changing() as changed:
            for day, missing in self._missing.items():
                changed[day] = self._load(day)
                changed[day].gone |= missing
        return sorted(set().union(*self._missing.values()))

    def withdrawn(self) -> None:
        """Kafka has what `missing` gave (3)."""
        with self._changing() as changed:
            for day, missing in self._missing.items():
                held = changed[day] = self._load(day)
                # What a later pull has said in the meantime is withdrawn by none but a pull later still.
                over = {record for record in missing if held.said.get(record, 0) < self._taken_at}
                held.said = {record: at for record, at in held.said.items() if record not in over}

    def _as_said(self, mark: Mapping[str, Any], gone: set[str]) -> Mapping[str, Any]:
        modified_at = mark["modified_at"]
        if modified_at is None or (modified_at <= self._taken_at and mark["record_id"] not in gone):
            return mark
        return {**mark, "modified_at": None}

    @contextmanager
    def _changing(self) -> Iterator[dict[int, _Day]]:
        """Days to read and change, one process at a time; those put in are kept durably in the end."""
        with locked(self._folder / ".lock"):
            changed: dict[int, _Day] = {}
            yield changed
            for day, held in changed.items():
                kept = {"said": held.said, "gone": sorted(held.gone)}
                write_durably(self._file(day), json.dumps(kept, separators=(",", ":")))

    def _load(self, day: int) -> _Day:
        file = self._file(day)
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            return _Day({str(record): int(at) for record, at in kept["said"].items()}, set(kept["gone"]))
        except FileNotFoundError:
            return _Day()
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ConfigError(
                f"{file} cannot be read: delete it, and what the school has removed of that day since is not withdrawn"
            ) from None

    def _days_of(self, pull: Pull) -> list[int]:
        """The days of the window of which something was said."""
        if pull.window is None:
            return []
        first, last = days(pull.window.first_day), days(pull.window.last_day)
        kept = (int(file.stem) for file in self._folder.glob("*.json") if file.stem.isdecimal())
        return sorted(day for day in kept if first <= day <= last)

    def _file(self, day: int) -> Path:
        return self._folder / f"{day}.json"

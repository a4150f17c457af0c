"""What a connector remembers of each source, in one small file each, so that kill -9 neither loses nor skips a page.

A file is written beside, flushed to the disk and renamed: a reader finds the old state or the new one, never half. A
state that is lost is no loss of data: the source is read from its beginning again.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rollcall.errors import ConfigError

__all__ = ["SourceState", "StateFolder"]

_FILE_NAME = re.compile(r"^[A-Za-z0-9._-]{1,80}$")


@dataclass(frozen=True, slots=True)
class SourceState:
    """Of one source. cursor: everything changed before it is on Kafka; None before the first whole pull. place: the
    same in the source's own count, where it has one (`connectors.contract.Page`); it moves with the cursor.

    stopped: why pulls have stopped (permission withdrawn), None when they have not; credential: the one refused.
    published: fingerprint of the last reference message per topic and key.
    """

    cursor: datetime | None = None
    stopped: str | None = None
    credential: str | None = None
    published: dict[str, str] = field(default_factory=dict)
    place: str | None = None


class StateFolder:
    """The states of one connector's sources, in a folder that only its owner reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, source_id: str) -> SourceState:
        """The state of a source; the empty one when there is none. Raises ConfigError when it cannot be read."""
        file = self._file(source_id)
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            return SourceState(
                cursor=None if stored["cursor"] is None else datetime.fromisoformat(stored["cursor"]),
                place=stored.get("place"),
                stopped=stored["stopped"],
                credential=stored["credential"],
                published=dict(stored["published"]),
            )
        except FileNotFoundError:
            return SourceState()
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{file} cannot be read: delete it, and the school is pulled from its beginning"
            ) from None

    def save(self, source_id: str, state: SourceState) -> None:
        """Make this the state, durably: on return it survives a crash of the machine. Raises OSError."""
        file = self._file(source_id)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        stored = {
            "cursor": None if state.cursor is None else state.cursor.isoformat(),
            "place": state.place,
            "stopped": state.stopped,
            "credential": state.credential,
            "published": state.published,
        }
        beside = file.with_name(f"{file.name}.new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump(stored, out)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _file(self, source_id: str) -> Path:
        if not _FILE_NAME.match(source_id) or source_id.startswith("."):
            raise ConfigError(f"{source_id!r} is no id of a school at a source")
        return self._folder / f"{source_id}.json"

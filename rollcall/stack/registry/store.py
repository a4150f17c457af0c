"""What the registry knows, kept as an append-only log: one JSON object a line, on disk before it is answered."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Reference", "Store", "StoredSchema", "Version"]


@dataclass(frozen=True, order=True)
class Reference:
    """A named schema of another subject that a schema builds on."""

    name: str
    subject: str
    version: int

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Reference:
        return cls(str(content["name"]), str(content["subject"]), int(content["version"]))

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "subject": self.subject, "version": self.version}


@dataclass(frozen=True)
class StoredSchema:
    """One schema text with an id: the same text with the same references is stored once."""

    text: str
    references: tuple[Reference, ...] = ()

    @property
    def identity(self) -> str:
        """Equal for schemas that differ in white space or key order only."""
        references = [reference.to_json() for reference in sorted(self.references)]
        return json.dumps([json.loads(self.text), references], separators=(",", ":"), sort_keys=True)


@dataclass
class Version:
    """One version of a subject. A soft delete hides it; a hard delete removes it."""

    schema_id: int
    deleted: bool = False


@dataclass
class Store:
    """State rebuilt from the log at start; every change is appended and fsync'd before it takes effect.

    A last line without its newline was never acknowledged: it is dropped, so that the next append starts clean.
    """

    path: Path
    schemas: dict[int, StoredSchema] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    subjects: dict[str, dict[int, Version]] = field(default_factory=dict)
    #: Highest version number ever given out, hard deletes included: a number is never used twice.
    highest: dict[str, int] = field(default_factory=dict)
    levels: dict[str | None, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = 0
        if self.path.exists():
            with self.path.open("rb") as lines:
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    self._apply(json.loads(line))
                    kept += len(line)
            os.truncate(self.path, kept)
        self._log = self.path.open("ab", buffering=0)

    def close(self) -> None:
        self._log.close()

    def add_schema(self, schema: StoredSchema) -> int:
        """Store a schema that is not stored yet and give it the next id."""
        schema_id = max(self.schemas, default=0) + 1
        references = [reference.to_json() for reference in schema.references]
        self._append({"event": "schema", "id": schema_id, "schema": schema.text, "references": references})
        return schema_id

    def add_version(self, subject: str, schema_id: int) -> int:
        version = self.highest.get(subject, 0) + 1
        self._append({"event": "version", "subject": subject, "version": version, "id": schema_id})
        return version

    def delete(self, subject: str, version: int, *, permanent: bool) -> None:
        self._append({"event": "purge" if permanent else "delete", "subject": subject, "version": version})

    def set_level(self, subject: str | None, level: str | None) -> None:
        """Set the compatibility level of a subject (None: of all), or take it away with level None."""
        self._append({"event": "level", "subject": subject, "level": level})

    def _append(self, event: dict[str, Any]) -> None:
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        end = self._log.seek(0, os.SEEK_END)
        try:
            written = self._log.write(line)
            if written != len(line):
                raise OSError(f"wrote {written} of {len(line)} bytes")
            os.fsync(self._log.fileno())
        except OSError:
            # Disk full: leave no half line behind, or everything appended later would be lost with it.
            os.truncate(self.path, end)
            raise
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "level":
            if event["level"] is None:
                self.levels.pop(event["subject"], None)
            else:
                self.levels[event["subject"]] = event["level"]
            return
        subject = str(event.get("subject"))
        if kind == "schema":
            schema = StoredSchema(event["schema"], tuple(map(Reference.from_json, event["references"])))
            self.schemas[event["id"]] = schema
            self.ids[schema.identity] = event["id"]
        elif kind == "version":
            self.subjects.setdefault(subject, {})[event["version"]] = Version(event["id"])
            self.highest[subject] = max(self.highest.get(subject, 0), event["version"])
        elif kind == "delete":
            self.subjects[subject][event["version"]].deleted = True
        elif kind == "purge":
            self.subjects[subject].pop(event["version"], None)

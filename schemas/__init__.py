"""The contracts: what is on each topic, version by version, and how it is framed, registered and checked.

`<topic>/<version>.avsc` is the schema of a topic's values, from version 1 without gaps. A committed version never
changes; a change is the next version. Its subject in the registry is `<topic>-value`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import fastavro

__all__ = ["ROOT", "Schema", "load", "parse", "parsed", "registry_subject", "subjects", "versions"]

#: A schema as JSON reads it.
Schema = dict[str, Any]

#: The folder that holds one folder per subject.
ROOT = Path(__file__).parent


def subjects(root: Path = ROOT) -> tuple[str, ...]:
    """Every topic that has a schema, in alphabetical order."""
    return tuple(sorted({file.parent.name for file in root.glob("*/*.avsc")}))


def versions(subject: str, root: Path = ROOT) -> list[int]:
    """The committed versions of a topic's schema, ascending. Raises KeyError for a topic without one."""
    found = sorted(int(file.stem) for file in (root / subject).glob("*.avsc") if file.stem.isdecimal())
    if not found:
        raise KeyError(f"no schema of ours is called {subject}; there are {', '.join(subjects(root))}")
    return found


def load(subject: str, version: int | None = None, root: Path = ROOT) -> Schema:
    """A topic's schema, the latest version unless told, as a fresh dict. Raises KeyError when there is none."""
    known = versions(subject, root)
    wanted = known[-1] if version is None else version
    if wanted not in known:
        raise KeyError(f"{subject} has no version {wanted}; it has {', '.join(map(str, known))}")
    read: Schema = json.loads((root / subject / f"{wanted}.avsc").read_text(encoding="utf-8"))
    return read


@cache
def parsed(subject: str, version: int | None = None) -> Schema:
    """The same, parsed once for fastavro: pass it to `schemas.wire.encode`. Shared; do not change it."""
    return parse(load(subject, version))


def parse(schema: Schema) -> Schema:
    """Any Avro schema, as the registry gives it, parsed for fastavro."""
    return dict(fastavro.parse_schema(schema))  # type: ignore[arg-type]


def registry_subject(subject: str) -> str:
    """The registry's name for a topic's schema (TopicNameStrategy). A name that has it already stays as it is."""
    return subject if subject.endswith("-value") else f"{subject}-value"

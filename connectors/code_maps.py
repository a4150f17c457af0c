"""Publishing code maps: from raw codes of a scheme (the national one, or a school's own) to canonical codes.

A map is published whole and replaces the scheme's earlier one. Its version is one more than the greatest version of any
scheme, read from the topic itself, so that every publication moves all derived rows forward.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.topic_contents import records
from rollcall.domain.clock import now
from rollcall.domain.codes import BY_CODE, MapEntry, malformed
from rollcall.errors import UsageError
from rollcall.settings import Settings

__all__ = ["TOPIC", "greatest_version", "publish", "published", "read_map"]

TOPIC = "reference.code-map.v1"


def read_map(file: Path) -> tuple[MapEntry, ...]:
    """Read a map from a CSV file with the columns raw_code, canonical_code and, if wanted, valid_from and valid_to.

    Dates are session dates, both inclusive, YYYY-MM-DD or empty. Raises UsageError naming the line that is wrong: a
    canonical code that is none of ours, a raw code that may be a comment, a date, the same code twice from one date on.
    """
    entries: dict[tuple[str, date | None], MapEntry] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text)
            if not {"raw_code", "canonical_code"} <= set(rows.fieldnames or ()):
                raise UsageError(f"{file}: the first line must name the columns raw_code and canonical_code")
            for row in rows:
                entry = _entry(row, f"{file}, line {rows.line_num}")
                if (entry.raw_code, entry.valid_from) in entries:
                    raise UsageError(f"{file}, line {rows.line_num}: this code stands there already")
                entries[entry.raw_code, entry.valid_from] = entry
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8: save it as CSV UTF-8") from None
    if not entries:
        raise UsageError(f"{file} maps no code at all")
    return tuple(entries.values())


def publish(settings: Settings, maps: Mapping[str, Sequence[MapEntry]], *, author: str, reason: str) -> dict[str, int]:
    """Publish maps by scheme and wait until Kafka has them; returns scheme -> version.

    `author` is a role or a staff reference, no name. Raises KafkaError, RegistryAway, SchemaError.
    """
    version = greatest_version(settings)
    published_at = now()
    encoder = Encoder(settings.registry.url)
    versions: dict[str, int] = {}
    with Publisher(settings.kafka.client_config(), client_id="rollcall-code-maps") as publisher:
        promises = []
        for scheme, entries in maps.items():
            version += 1
            record = {
                "scheme": scheme,
                "version": version,
                "published_at": published_at,
                "author": author,
                "reason": reason,
                "entries": [entry._asdict() for entry in entries],
            }
            promises.append(publisher.publish(TOPIC, scheme.encode(), encoder.encode(TOPIC, record)))
            versions[scheme] = version
        for promise in promises:
            promise.result()
    return versions


def greatest_version(settings: Settings) -> int:
    """The greatest version of any code map on the topic, 0 when there is none. Raises as `published` does."""
    return max(published(settings).values(), default=0)


def published(settings: Settings) -> dict[str, int]:
    """The scheme of every code map on the topic, and its greatest version. Unreadable messages are passed over.

    Raises KafkaError when Kafka or the topic is not there, RegistryAway.
    """
    versions: dict[str, int] = {}
    for record in records(settings, TOPIC):
        scheme, version = str(record["scheme"]), int(record["version"])
        versions[scheme] = max(version, versions.get(scheme, 0))
    return versions


def _entry(row: Mapping[str, str | None], where: str) -> MapEntry:
    raw_code, canonical_code = row["raw_code"] or "", row["canonical_code"] or ""
    if malformed(raw_code):
        raise UsageError(f"{where}: a raw code has at most 8 characters, and no control characters")
    if canonical_code not in BY_CODE:
        raise UsageError(f"{where}: {canonical_code!r} is no national code")
    try:
        valid_from, valid_to = (date.fromisoformat(row.get(name) or "") if row.get(name) else None for name in _DATES)
    except ValueError:
        raise UsageError(f"{where}: a date is written YYYY-MM-DD") from None
    return MapEntry(raw_code, canonical_code, valid_from, valid_to)


_DATES = ("valid_from", "valid_to")

"""Publishing code maps: from raw codes of a scheme (the national one, or a school's own) to canonical codes.

A map is published whole and replaces the scheme's earlier one. Its version is one more than the greatest version of any
scheme, read from the topic itself, so that every publication moves all derived rows forward.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from connectors import dated_csv
from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.topic_contents import records
from rollcall.domain.clock import now
from rollcall.domain.code_maps import check, in_order
from rollcall.domain.codes import BY_CODE, MapEntry, malformed
from rollcall.errors import UsageError
from rollcall.settings import Settings

__all__ = ["TOPIC", "greatest_version", "newest", "publish", "published", "read_map", "written"]

TOPIC = "reference.code-map.v1"


def read_map(file: Path) -> tuple[MapEntry, ...]:
    """Read a map from a CSV file with the columns raw_code, canonical_code and, if wanted, valid_from and valid_to.

    Dates are session dates, both inclusive, YYYY-MM-DD or empty. Raises UsageError naming the line that is wrong: a
    canonical code that is none of ours, a raw code that may be a comment, a date, the same code twice from one date on;
    or the code that has two meanings on one date.
    """
    entries: dict[tuple[str, date | None], MapEntry] = {}
    for line, row in dated_csv.rows(file, "raw_code", "canonical_code"):
        entry = _entry(row, f"{file}, line {line}")
        if (entry.raw_code, entry.valid_from) in entries:
            raise UsageError(f"{file}, line {line}: this code stands there already")
        entries[entry.raw_code, entry.valid_from] = entry
    try:
        check(tuple(entries.values()))
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from None
    return tuple(entries.values())


def written(entries: Iterable[MapEntry]) -> str:
    """A map as the text of a file that `read_map` reads."""
    return dated_csv.text(MapEntry._fields, in_order(entries))


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


def newest(settings: Settings, scheme: str) -> datetime | None:
    """When the map of a scheme that is the last on the topic was published; None when there is none.

    Whoever builds upon the map in force asks: what is on the topic and not applied yet would be undone unseen. Raises
    as `published` does.
    """
    instants = [record["published_at"] for record in records(settings, TOPIC) if record["scheme"] == scheme]
    return max(instants, default=None)


def _entry(row: Mapping[str, str | None], where: str) -> MapEntry:
    raw_code, canonical_code = row["raw_code"] or "", row["canonical_code"] or ""
    if malformed(raw_code):
        raise UsageError(f"{where}: a raw code has at most 8 characters, and no control characters")
    if canonical_code not in BY_CODE:
        raise UsageError(f"{where}: {canonical_code!r} is no national code")
    return MapEntry(raw_code, canonical_code, *dated_csv.dates(row, where))

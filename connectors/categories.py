"""Publishing what codes count as: a document, whole, which replaces the one before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from connectors import dated_csv
from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.topic_contents import records
from rollcall.domain.categories import KEY, CategoryRow, check, in_order
from rollcall.domain.clock import now, to_the_millisecond
from rollcall.errors import UsageError
from rollcall.settings import Settings

__all__ = ["TOPIC", "newest", "publish", "read", "written"]

TOPIC = "reference.code-category.v1"


def read(file: Path) -> tuple[CategoryRow, ...]:
    """Read a document from a CSV file with the columns code, category and, if wanted, valid_from, valid_to and label.

    Dates are session dates, both inclusive, YYYY-MM-DD or empty. Raises UsageError naming the line that is wrong
    (`rollcall.domain.categories.check`), or the code that has no row.
    """
    found: list[CategoryRow] = []
    lines: list[int] = []
    for line, row in dated_csv.rows(file, "code", "category"):
        first, last = dated_csv.dates(row, f"{file}, line {line}")
        found.append(CategoryRow(row["code"] or "", row["category"] or "", first, last, row.get("label") or ""))
        lines.append(line)
    try:
        check(found, lambda place: f"line {lines[place]}")
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from None
    return tuple(in_order(found))


def written(rows: Iterable[CategoryRow]) -> str:
    """A document as the text of a file that `read` reads."""
    return dated_csv.text(CategoryRow._fields, in_order(rows))


def publish(settings: Settings, rows: Sequence[CategoryRow], *, author: str, reason: str) -> None:
    """Publish a document and wait until Kafka has it. The reference loader brings it in force, and numbers it.

    `author` is a role or a staff reference, no name. Raises UsageError, KafkaError, RegistryAway, SchemaError.
    """
    try:
        check(rows)
    except ValueError as error:
        raise UsageError(str(error)) from None
    record = {
        "published_at": to_the_millisecond(now()),
        "author": author,
        "reason": reason,
        "rows": [row._asdict() for row in in_order(rows)],
    }
    encoder = Encoder(settings.registry.url)
    with Publisher(settings.kafka.client_config(), client_id="rollcall-categories") as publisher:
        publisher.publish(TOPIC, KEY.encode(), encoder.encode(TOPIC, record)).result()


def newest(settings: Settings) -> datetime | None:
    """When the last document on the topic was published; None when there is none. Raises KafkaError, RegistryAway."""
    return max((record["published_at"] for record in records(settings, TOPIC)), default=None)

"""Publishing reference data from files: only what is new, acknowledged by Kafka, and a count of every row.

A load that is killed has published some of its records and no others; the next one publishes the rest. What a file does
not say anything of stays as it is: no key is ever removed because a file lacks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.reference import gias
from connectors.reference.calendar import School, calendars
from connectors.reference.table import Table, Wrong
from connectors.reference.timetable import timetables
from connectors.topic_contents import records
from rollcall.domain.clock import local_instant, now, to_the_millisecond
from rollcall.settings import Settings

__all__ = [
    "Loaded",
    "latest",
    "load_calendars",
    "load_schools",
    "load_timetables",
    "news_of_schools",
    "publish",
    "taken_on",
]

SCHOOLS = "reference.school.v1"
CALENDARS = "reference.calendar.v1"
REGISTERS = "reference.register.v1"
#: What makes no difference between two versions.
_WHO_AND_WHEN = frozenset({"taken_at", "source"})
#: How long Kafka may take to acknowledge all of it, in seconds.
_PATIENCE = 300.0
_K = TypeVar("_K")
Record = dict[str, Any]


@dataclass(slots=True)
class Loaded:
    """What a load did. `keys` that the files speak of = `published` + `unchanged` + `older`.

    `older`: what is known of them was taken later than this file. `unmentioned`: known, and not in the file.
    `withheld`: keys that are left as they were because a row of theirs could not be read; not among `keys`.
    `wrong`: file -> the rows that could not be read.
    """

    rows: int
    keys: int
    published: int = 0
    unchanged: int = 0
    older: int = 0
    unmentioned: int = 0
    withheld: int = 0
    wrong: dict[str, list[Wrong]] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Rows that could not be read, over all files; a row is counted once."""
        return sum(len({one.line for one in wrong}) for wrong in self.wrong.values())

    def as_json(self) -> dict[str, Any]:
        """The document `rollcall reference load ... --json` prints."""
        counts = ("rows", "keys", "published", "unchanged", "older", "unmentioned", "withheld", "refused")
        wrong = [{"file": name, **one._asdict()} for name, found in self.wrong.items() for one in found]
        return {**{name: getattr(self, name) for name in counts}, "wrong": wrong}


def taken_on(day: date) -> datetime:
    """When what a file of this day says was taken: the end of that day in London, or now, if that is earlier. UTC."""
    end = local_instant(datetime.combine(day + timedelta(days=1), datetime.min.time())).instant
    return min(end - timedelta(milliseconds=1), _now_ms())


def _now_ms() -> datetime:
    """This instant, in whole milliseconds as the schemas have them. UTC."""
    return to_the_millisecond(now())


def load_schools(settings: Settings, schools: Table, links: Table | None, as_of: date) -> Loaded:
    """Publish what is new in an extract of GIAS of the day `as_of`. Raises KafkaError, RegistryAway, SchemaError."""
    said = gias.records(schools.frame, None if links is None else links.frame, taken_on(as_of))
    known = latest(settings, SCHOOLS, lambda record: int(record["urn"]))
    loaded = Loaded(schools.rows, len(said), wrong={schools.name: schools.wrong})
    if links is not None:
        loaded.wrong[links.name] = links.wrong
    new, loaded.older = news_of_schools(said, known, as_of)
    publish(settings, SCHOOLS, new)
    loaded.published, loaded.unchanged = len(new), len(said) - len(new) - loaded.older
    loaded.unmentioned = len(known.keys() - said.keys())
    return loaded


def news_of_schools(said: Mapping[int, Record], known: Mapping[int, Record], as_of: date) -> tuple[list[Record], int]:
    """What to publish of an extract, and of how many schools something is known that was taken later than it."""
    new: list[Record] = []
    older = 0
    for urn, record in said.items():
        before = known.get(urn)
        if before is None:
            new.append(record)
        elif before["taken_at"] > record["taken_at"]:
            older += 1
        elif (one := gias.effective(record, before, as_of)) is not None:
            new.append(one)
    return new, older


def load_calendars(settings: Settings, table: Table) -> Loaded:
    """Publish the calendars of a file that differ from those known. Raises KafkaError, RegistryAway, SchemaError."""
    schools = latest(settings, SCHOOLS, lambda record: int(record["urn"])).values()
    found = calendars(
        table, [School(one["urn"], one["la_code"], one["trust_id"], one["closed_on"]) for one in schools], _now_ms()
    )
    known = latest(settings, CALENDARS, lambda record: (int(record["urn"]), str(record["academic_year"])))
    return _publish_new(settings, CALENDARS, table, found.records, known, len(found.withheld))


def load_timetables(settings: Settings, table: Table) -> Loaded:
    """Publish the timetable versions of a file that differ from those known. Raises as above."""
    found, withheld = timetables(table, _now_ms())
    known = latest(settings, REGISTERS, lambda record: int(record["urn"]))
    return _publish_new(settings, REGISTERS, table, found, known, len(withheld))


def _publish_new(
    settings: Settings, topic: str, table: Table, said: Mapping[_K, Record], known: Mapping[_K, Record], withheld: int
) -> Loaded:
    """Publish what says another thing than what is known, whoever said that and whenever."""
    new = [
        record
        for key, record in said.items()
        if key not in known or any(record[name] != known[key][name] for name in record if name not in _WHO_AND_WHEN)
    ]
    publish(settings, topic, new)
    return Loaded(
        table.rows,
        len(said),
        published=len(new),
        unchanged=len(said) - len(new),
        withheld=withheld,
        wrong={table.name: table.wrong},
    )


def latest(settings: Settings, topic: str, key: Callable[[Record], _K]) -> dict[_K, Record]:
    """The record of each key that was taken last; of two taken at one instant the later published."""
    known: dict[_K, Record] = {}
    for record in records(settings, topic):
        before = known.get(key(record))
        if before is None or before["taken_at"] <= record["taken_at"]:
            known[key(record)] = record
    return known


def publish(settings: Settings, topic: str, new: Iterable[Record]) -> None:
    """Publish records keyed by their URN, and wait until Kafka has every one. Raises KafkaError, RegistryAway."""
    encoder = Encoder(settings.registry.url)
    with Publisher(settings.kafka.client_config(), client_id="rollcall-reference-files") as publisher:
        promises = [
            publisher.publish(topic, str(record["urn"]).encode(), encoder.encode(topic, record)) for record in new
        ]
        publisher.flush(_PATIENCE)
        for promise in promises:
            promise.result()

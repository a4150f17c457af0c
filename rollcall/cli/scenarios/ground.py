"""The ground a run stands on: tables, schemas and topics in place, keys for the senders, and how far everybody is."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka import KafkaError as LibrdkafkaError
from confluent_kafka.admin import AdminClient

from connectors.estate.schools import SOURCES
from connectors.ingest import keys
from connectors.sources import parse
from connectors.sources_file import SourcesFile, entry_names
from rollcall.cli.scenarios.processes import Command
from rollcall.errors import KafkaError
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas import topics
from schemas.registry import Registry
from sinks import reference
from sinks.migrate import migrate, server

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.server import Serving

__all__ = ["Gauge", "Taken", "clear", "define", "lay", "load", "rounds", "sender_keys", "sources_of"]

_TIMEOUT = 30.0
#: A look asks every partition's end and sums the ledger, a tenth of a second of CPU that a worker could have used.
_LOOK_EVERY_S = 0.25
#: A partition that was just made has no leader for a moment.
_LEADERLESS = (LibrdkafkaError.NOT_LEADER_FOR_PARTITION, LibrdkafkaError.LEADER_NOT_AVAILABLE)


def clear(home: Path, kept: Collection[str]) -> None:
    """Remove everything in a folder but what is kept, by name. Nothing outside the folder is followed."""
    for path in home.iterdir():
        if path.name in kept:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@cache
def load(name: str) -> str:
    """The text of `sql/<name>.sql` beside this file."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def lay(settings: Settings) -> None:
    """What an operator does once: `rollcall migrate`, `rollcall schemas register`, `rollcall topics apply`.

    Raises ClickHouseError, KafkaError, SchemaError's causes; does nothing where all is in place.
    """
    with Registry(settings.registry.url) as registry:
        registry.register_all()
    topics.apply(AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka()))
    with server(settings.clickhouse) as client:
        migrate(client, settings.clickhouse.database)


def sender_keys(settings: Settings, estate: Estate) -> dict[str, str]:
    """A key of the ingest API for each system that sends registers, by its name: it may send for its schools."""
    said = {(one.source, one.urn) for tick in estate.script.submissions for one in tick}
    urns = {source: sorted(urn for name, urn in said if name == source) for source in SOURCES}
    return {source: keys.add(settings.ingest_keys_file, source, of)[1] for source, of in urns.items() if of}


def sources_of(estate: Estate, servers: Mapping[str, Serving]) -> dict[str, Any]:
    """What `rollcall sources import` takes for the estate's servers; their token is in the variable ESTATE_TOKEN."""
    # The servers are ours and on loopback: no reason to be as polite as with a supplier's own.
    return {"sources": [{**source, "requests_a_second": 1000} for source in estate.sources(servers)]}


def define(settings: Settings, document: dict[str, Any]) -> list[str]:
    """What `rollcall sources import` does with it; returns the names of the sources. Raises ConfigError."""
    sources = parse(document, entry_names(document))
    SourcesFile(settings.sources_file).take(sources)
    return [source.name for source in sources]


def rounds(pulls: Command, sources: Sequence[str]) -> dict[str, int]:
    """By source: how many rounds of `rollcall pull --every ... --json` ended with every school pulled whole."""
    whole = dict.fromkeys(sources, 0)
    for line in pulls.said.splitlines():
        if line.startswith("[{"):
            schools = json.loads(line)
            whole[schools[0]["source"]] += all(school["outcome"] == "pulled" for school in schools)
    return whole


def pulled_since(pulls: Command, begun: Mapping[str, int]) -> bool:
    """Whether every source has had a whole round that began after `begun` was counted: the one that ran then may have
    read before, so two more. Each by its own count: the slowest source says nothing of one that stood still."""
    now = rounds(pulls, list(begun))
    return all(now[source] >= count + 2 for source, count in begun.items())


class Taken(NamedTuple):
    """How far the worker is: messages that wait on Kafka, and marks that are accounted for."""

    waiting: int
    marks: int


class Gauge:
    """Asks Kafka what there is and ClickHouse what is done. One thread uses it."""

    def __init__(self, settings: Settings, client: Any) -> None:
        self._settings, self._client = settings, client
        self._consumer = Consumer(
            {**settings.kafka.client_config(), "group.id": "rollcall-gauge", "enable.auto.commit": False},
            logger=quiet_librdkafka(),
        )
        admin = AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka())
        names = [topic.name for topic in topics.TOPICS]
        described = admin.describe_topics(TopicCollection(names), request_timeout=_TIMEOUT)
        self._partitions: dict[str, list[tuple[str, int, str]]] = {"attendance": [], "fact": [], "reference": []}
        for topic in topics.TOPICS:
            found = described[topic.name].result()
            self._partitions[topic.kind] += [(topic.name, one.id, str(found.topic_id)) for one in found.partitions]

    def close(self) -> None:
        """Give the connections back."""
        self._consumer.close()

    def holds(self, kind: str) -> dict[tuple[str, int], tuple[int, int]]:
        """First offset kept and the next to come, by topic id and partition, of the topics of a kind."""
        return {
            (topic_id, partition): self._watermarks(topic, partition)
            for topic, partition, topic_id in self._partitions[kind]
        }

    def written(self, topic: str) -> int:
        """How many messages were ever put on a topic of ours."""
        return sum(
            self._watermarks(name, partition)[1]
            for places in self._partitions.values()
            for name, partition, _ in places
            if name == topic
        )

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        """A partition that was just made may have no leader for a moment."""
        for _ in range(50):
            try:
                return self._consumer.get_watermark_offsets(TopicPartition(topic, partition), _TIMEOUT)
            except KafkaException as error:
                if error.args[0].code() not in _LEADERLESS:
                    raise
                time.sleep(0.1)
        return self._consumer.get_watermark_offsets(TopicPartition(topic, partition), _TIMEOUT)

    def empty(self) -> bool:
        """Whether no topic of ours has ever held a message."""
        return all(high == 0 for kind in self._partitions for _, high in self.holds(kind).values())

    def reference_applied(self) -> bool:
        """Whether the reference loader has applied everything that is on its topics."""
        applied = reference.applied_positions(self._client)
        return all(
            applied.get(place, 0) >= high for place, (low, high) in self.holds("reference").items() if high > low
        )

    def followed(self, topic: str, group: str) -> bool:
        """Whether a consumer group has committed all that is on a topic."""
        consumer = Consumer({**self._settings.kafka.client_config(), "group.id": group}, logger=quiet_librdkafka())
        places = [
            TopicPartition(name, one) for ours in self._partitions.values() for name, one, _ in ours if name == topic
        ]
        try:
            reached = consumer.committed(places, _TIMEOUT)
        finally:
            consumer.close()
        ends = {one.partition: self._watermarks(topic, one.partition)[1] for one in places}
        return all(max(0, one.offset) >= ends[one.partition] for one in reached)

    def taken(self) -> Taken:
        """How far the worker's group is with what is on the mark topics now."""
        rows = self._client.query(load("ledger_taken"), parameters={"group": self._settings.worker.group}).result_rows
        reached = {(topic_id, partition): next_ for topic_id, partition, _, next_, _, _ in rows}
        waiting = 0
        for place, (low, high) in self.holds("attendance").items():
            waiting += max(0, high - max(low, reached.get(place, 0)))
        return Taken(waiting, sum(int(row[5]) for row in rows))

    def drain(
        self, timeout: float, check: Callable[[], None] = lambda: None, tell: Callable[[Taken], None] = lambda _: None
    ) -> Taken:
        """Wait until nothing waits; `check` may raise meanwhile. Raises KafkaError when it takes longer (s)."""
        end = time.monotonic() + timeout
        while (taken := self.taken()).waiting:
            check()
            tell(taken)
            if time.monotonic() > end:
                raise KafkaError(f"{taken.waiting:,} messages still wait after {timeout:.0f} s")
            time.sleep(_LOOK_EVERY_S)
        tell(taken)
        return taken

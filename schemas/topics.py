"""The topics: what is on each, how many partitions, kept how long. And how every producer of ours writes.

All topics have the same number of partitions and the same partitioner over the same key, so a school's marks and its
reference data have the same owner. `apply` makes what is missing and says what differs; it changes no topic that
exists, because partitions cannot be taken back and a new count moves schools to other partitions, out of order.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

__all__ = [
    "DEFAULT_RETENTION_DAYS",
    "MAX_MESSAGE_BYTES",
    "PARTITIONS",
    "PRODUCER",
    "TOPICS",
    "Difference",
    "Topic",
    "apply",
    "of_kind",
]

#: Partitions of every topic: the largest number of workers that share the marks.
PARTITIONS = 12
#: A page of 10,000 marks is about 1 MB; the roster of the largest school about 0.6 MB.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
#: How long marks stay on Kafka, in days: the longest a worker may be away.
DEFAULT_RETENTION_DAYS = 14

#: What every producer sets. librdkafka's names. The partitioner is Java's default, so that other clients agree with us
#: about the partition of a school.
PRODUCER: Mapping[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "partitioner": "murmur2_random",
    "compression.type": "lz4",
    "message.max.bytes": MAX_MESSAGE_BYTES,
}

#: `attendance`: carries marks, and the worker takes it in. `fact`: what an agent reads or says.
Kind = Literal["attendance", "fact", "reference"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `key` says what a message's key is; `config` is what is set beside the broker's defaults."""

    name: str
    key: str
    kind: Kind
    partitions: int = PARTITIONS

    def config(self, retention_days: float = DEFAULT_RETENTION_DAYS) -> dict[str, str]:
        """The topic's configuration, Kafka's names and values."""
        common = {"max.message.bytes": str(MAX_MESSAGE_BYTES), "compression.type": "producer"}
        if self.kind == "reference":
            # What a newer message replaces is gone a week later at the latest: a pupil may have been taken out of it.
            return {**common, "cleanup.policy": "compact", "max.compaction.lag.ms": str(7 * 86_400_000)}
        return {
            **common,
            "cleanup.policy": "delete",
            "retention.ms": str(int(retention_days * 86_400_000)),
            # Arrival by the broker's clock: no sender can date its marks into the future (rule 6).
            "message.timestamp.type": "LogAppendTime",
        }


_URN = "URN in ASCII digits"

#: Every topic of Rollcall; each has a schema of the same name.
TOPICS: tuple[Topic, ...] = (
    Topic("attendance.register.v1", _URN, "attendance"),
    Topic("attendance.mis.v1", _URN, "attendance"),
    Topic("attendance.evidence.v1", _URN, "attendance"),
    Topic("attendance.kiosk.v1", _URN, "fact"),
    Topic("attendance.alert.v1", _URN, "fact"),
    Topic("connector.pull-request.v1", _URN, "fact"),
    Topic("reference.school.v1", _URN, "reference"),
    Topic("reference.roster.v1", _URN, "reference"),
    Topic("reference.register.v1", _URN, "reference"),
    Topic("reference.calendar.v1", _URN, "reference"),
    Topic("reference.code-map.v1", "scheme", "reference"),
    Topic("reference.code-category.v1", "code-categories", "reference"),
    Topic("reference.source-rule.v1", "source-rules", "reference"),
    Topic("reference.pupil-alias.v1", "pupil_id in ASCII digits", "reference"),
    Topic("reference.lesson-rule.v1", _URN, "reference"),
)


class Difference(NamedTuple):
    """How a topic is not as it should be: `what` is "missing", "partitions" or a configuration's name."""

    topic: str
    what: str
    found: str
    wanted: str

    def __str__(self) -> str:
        if self.what == "missing":
            return f"{self.topic} does not exist"
        return f"{self.topic}: {self.what} is {self.found}, should be {self.wanted}"


def of_kind(kind: Kind) -> tuple[str, ...]:
    """The names of the topics of one kind."""
    return tuple(topic.name for topic in TOPICS if topic.kind == kind)


def apply(
    admin: AdminClient,
    dry_run: bool = False,
    *,
    topics: Sequence[Topic] = TOPICS,
    retention_days: float = DEFAULT_RETENTION_DAYS,
    replication: int = -1,
    timeout: float = 30.0,
) -> list[Difference]:
    """Create the topics that are missing (unless `dry_run`) and return every difference found, the missing included.

    A topic that was created can be written to when this returns.

    `replication` -1 takes the broker's default. `timeout` in seconds. Raises confluent_kafka.KafkaException.
    """
    existing = admin.list_topics(timeout=timeout).topics
    missing = [topic for topic in topics if topic.name not in existing]
    differences = [Difference(topic.name, "missing", "", f"{topic.partitions} partitions") for topic in missing]
    present = [topic for topic in topics if topic.name in existing]
    for topic in present:
        count = len(existing[topic.name].partitions)
        if count != topic.partitions:
            differences.append(Difference(topic.name, "partitions", str(count), str(topic.partitions)))
    differences.extend(_config_differences(admin, present, retention_days, timeout))
    if missing and not dry_run:
        _create(admin, missing, retention_days, replication, timeout)
    return differences


def _config_differences(
    admin: AdminClient, topics: Sequence[Topic], retention_days: float, timeout: float
) -> list[Difference]:
    if not topics:
        return []
    by_name = {topic.name: topic for topic in topics}
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in by_name], request_timeout=timeout
    )
    found: list[Difference] = []
    for resource, answer in asked.items():
        in_force = answer.result()
        for name, wanted in by_name[resource.name].config(retention_days).items():
            value = in_force[name].value
            if value != wanted:
                found.append(Difference(resource.name, name, str(value), wanted))
    return found


def _create(
    admin: AdminClient, topics: Sequence[Topic], retention_days: float, replication: int, timeout: float
) -> None:
    made = admin.create_topics(
        [
            NewTopic(
                topic.name,
                num_partitions=topic.partitions,
                replication_factor=replication,
                config=topic.config(retention_days),
            )
            for topic in topics
        ],
        operation_timeout=timeout,
    )
    for future in made.values():
        try:
            future.result()
        except KafkaException as error:
            # Somebody else applied at the same moment: the topic is there, which is what was wanted.
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise
    _await(admin, topics, timeout)


def _await(admin: AdminClient, topics: Sequence[Topic], timeout: float) -> None:
    """Wait until every partition has a leader: what was just made can be written to, and is seen by the next look."""
    deadline = time.monotonic() + timeout
    while True:
        known = admin.list_topics(timeout=timeout).topics
        waiting = [topic.name for topic in topics if not _led(known.get(topic.name))]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE, f"no leader yet: {', '.join(waiting)}"))
        time.sleep(0.05)


def _led(found: TopicMetadata | None) -> bool:
    if found is None or found.error is not None or not found.partitions:
        return False
    return all(partition.leader >= 0 for partition in found.partitions.values())

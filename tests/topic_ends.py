"""Where the topics end, which all tests of a run share: what others have put there is no matter of a test's own."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from rollcall.settings import KafkaSettings

__all__ = ["reference_ends", "watermarks"]

#: How long a topic that was made a moment ago may be without its leader (s).
_PATIENCE_S = 120.0


def watermarks(kafka: KafkaSettings, prefix: str) -> dict[tuple[str, int], tuple[int, int]]:
    """(first, next) offset of each partition of the topics whose names begin so."""
    known = AdminClient(kafka.client_config()).list_topics(timeout=30).topics
    consumer = Consumer({**kafka.client_config(), "group.id": "rollcall-test-ends"})

    def ends(name: str, partition: int) -> tuple[int, int]:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=30)
            except KafkaException:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    try:
        return {
            (name, partition): ends(name, partition)
            for name in known
            if name.startswith(prefix)
            for partition in known[name].partitions
        }
    finally:
        consumer.close()


def reference_ends(kafka: KafkaSettings) -> dict[tuple[str, int], int]:
    """(topic id, partition) -> next offset, of the reference topics: a loader that has these positions begins there."""
    ends = watermarks(kafka, "reference")
    admin = AdminClient(kafka.client_config())
    described = admin.describe_topics(TopicCollection(sorted({name for name, _ in ends})))
    ids = {name: str(told.result().topic_id) for name, told in described.items()}
    return {(ids[name], partition): end for (name, partition), (_, end) in ends.items()}

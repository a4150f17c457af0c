"""How far the reference loader is behind the reference topics: a worker waits for it before its first mark."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from rollcall.errors import KafkaError
from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas import topics
from sinks import reference
from sinks.clickhouse import connect

__all__ = ["ReferenceBacklog"]


class ReferenceBacklog:
    """Records on the reference topics when it was made that are not in ClickHouse yet.

    A register that arrives with the roster it needs still on the way would be quarantined for nothing.
    """

    def __init__(self, settings: Settings) -> None:
        """Reads the ends of the reference topics. Raises KafkaError when one does not exist or Kafka is away."""
        self._client = connect(settings.clickhouse)
        self._ends: dict[tuple[str, int], int] = {}
        names = list(topics.of_kind("reference"))
        admin = AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka())  # must outlive its answers
        described = admin.describe_topics(TopicCollection(names), request_timeout=30)
        consumer = Consumer({**settings.kafka.client_config(), "group.id": "rollcall-ends"}, logger=quiet_librdkafka())
        try:
            for name, answer in described.items():
                try:
                    topic = answer.result()
                except Exception as e:
                    raise KafkaError(f"topic {name}: {e}; `rollcall topics apply` creates it") from e
                for partition in topic.partitions:
                    low, high = consumer.get_watermark_offsets(TopicPartition(name, partition.id), timeout=30)
                    if high > low:
                        self._ends[str(topic.topic_id), partition.id] = high
        finally:
            consumer.close()

    def left(self) -> int:
        """How many of those records are still to be applied."""
        applied = reference.applied_positions(self._client)
        return sum(max(0, end - applied.get(place, 0)) for place, end in self._ends.items())

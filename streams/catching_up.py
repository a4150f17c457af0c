"""How far the reference loader is behind the reference topics: a worker waits for it before its first mark."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from rollcall.logging import quiet_librdkafka
from rollcall.settings import Settings
from schemas import topics
from sinks import reference
from sinks.clickhouse import connect
from streams.reader import existing

__all__ = ["ReferenceBacklog"]


class ReferenceBacklog:
    """Records on the reference topics when it was first asked that are not in ClickHouse yet.

    A register that arrives with the roster it needs still on the way would be quarantined for nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._ends: dict[tuple[str, int], int] | None = None

    def left(self) -> int:
        """How many of those records are still to be applied.

        Raises KafkaError when a reference topic does not exist, KafkaException while Kafka and ClickHouseAway while
        ClickHouse does not answer: then it may be asked again.
        """
        if self._ends is None:
            self._ends = self._ends_now()
        self._client = self._client or connect(self._settings.clickhouse)
        applied = reference.applied_positions(self._client)
        return sum(max(0, end - applied.get(place, 0)) for place, end in self._ends.items())

    def _ends_now(self) -> dict[tuple[str, int], int]:
        settings, ends = self._settings, dict[tuple[str, int], int]()
        names = list(topics.of_kind("reference"))
        admin = AdminClient(settings.kafka.client_config(), logger=quiet_librdkafka())  # must outlive its answers
        described = admin.describe_topics(TopicCollection(names), request_timeout=30)
        consumer = Consumer({**settings.kafka.client_config(), "group.id": "rollcall-ends"}, logger=quiet_librdkafka())
        try:
            for name, answer in described.items():
                topic = existing(name, answer)
                for partition in topic.partitions:
                    low, high = consumer.get_watermark_offsets(TopicPartition(name, partition.id), timeout=30)
                    if high > low:
                        ends[str(topic.topic_id), partition.id] = high
        finally:
            consumer.close()
        return ends

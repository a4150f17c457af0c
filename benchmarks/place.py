"""Where a benchmark runs: its own embedded stack, its databases, reference data loaded once, the worker warmed up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.answer_key import load_sql
from benchmarks.loads import MIS, REGISTER, Registers, Repull, Sender, publish, registers, repull
from benchmarks.nation import Nation
from benchmarks.processes import WorkerProcess
from rollcall.errors import RollcallError
from rollcall.settings import Settings
from rollcall.stack import EmbeddedStack
from schemas import topics
from schemas.registry import Registry
from sinks.clickhouse import connect
from sinks.migrate import migrate

__all__ = ["Place"]

Tell = Callable[[str], None]

_REFERENCE = "bench_reference"
#: The tables that Nation.load fills.
_TABLES = (
    "school", "school_span", "calendar_term", "school_week", "school_calendar", "code_map", "reference_version",
    "crosswalk", "enrolment",
)  # fmt: skip
#: Seconds between looks at the ledger: its answer costs the engine some milliseconds.
_LOOK_S = 0.25


class Place:
    """An embedded stack with a nation's reference data, and fresh databases on demand. Use it as a context manager."""

    def __init__(self, home: Path, nation: Nation, tell: Tell) -> None:
        """``home``: a folder of the benchmark's own, or one that another benchmark left."""
        self.home, self.nation, self.tell = home, nation, tell
        self.stack = EmbeddedStack(home / "stack")

    def __enter__(self) -> Place:
        self.stack.up(progress=self.tell)
        self.settings = Settings.load(home=self.stack.home)
        topics.apply(AdminClient(self.settings.kafka.client_config()))
        with Registry(self.settings.registry.url) as registry:
            self.schema_ids = {one.topic: one.schema_id for one in registry.register_all()}
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.down()

    def pids(self) -> dict[str, int]:
        """Process ids of Kafka and ClickHouse."""
        return {name: pid for name, pid in self.stack.pids().items() if name in ("kafka", "clickhouse")}

    def client(self, database: str) -> Client:
        """A client that works in ``database``."""
        return connect(self.settings.clickhouse, database)

    def load_reference(self) -> None:
        """Load the nation once; databases made by `fresh` share its parts."""
        started = time.perf_counter()
        client = self._migrated(_REFERENCE)
        self.nation.load(client)
        for table in ("crosswalk", "enrolment"):
            client.command(f"OPTIMIZE TABLE {table} FINAL")
        client.close()
        self.tell(
            f"{self.nation.pupils:,} pupils of {self.nation.schools:,} schools in {time.perf_counter() - started:.1f} s"
        )

    def fresh(self, database: str, *, reference: bool = True) -> Client:
        """A new, migrated database, with the nation's reference data; what had its name is gone."""
        client = self._migrated(database)
        for table in _TABLES if reference else ("code_map",):
            client.command(load_sql("attach").replace("{table}", table).replace("{source}", _REFERENCE))
        return client

    def drop(self, *databases: str) -> None:
        """Drop databases, so that their merges do not run on."""
        client = self.client("default")
        for database in databases:
            client.command(f"DROP DATABASE IF EXISTS {database} SYNC")
        client.close()

    def settle(self, client: Client, timeout_s: float = 120.0) -> None:
        """Wait until no merge runs, so that a measurement pays for its own only."""
        end = time.monotonic() + timeout_s
        while client.query(load_sql("merges")).result_rows[0][0] and time.monotonic() < end:
            time.sleep(0.2)

    def publish(self, load: Registers | Repull) -> None:
        """Put a load on Kafka."""
        publish(load, Sender(self.settings.kafka), self.schema_ids[load.topic], self.tell)

    def warm_up(self) -> None:
        """Let a worker compile its kernels on a small load in a database of its own; the topics are empty after."""
        database = "bench_warm_up"
        small = Nation(60, self.nation.scheme, self.nation.refs)
        client = self._migrated(database)
        small.load(client)
        self._empty_topics()
        loads = (registers(small, 9_000, 1), repull(small, 20_000, 1, 0.73))
        for load in loads:
            publish(load, Sender(self.settings.kafka), self.schema_ids[load.topic], lambda _: None)
        worker = WorkerProcess(self.stack.home, database, database, self.home / "warm-up.log")
        try:
            self.wait_done(client, database, sum(load.messages for load in loads), worker)
        finally:
            worker.stop()
        client.close()
        self.drop(database)
        self._empty_topics()

    def wait_done(
        self, client: Client, group: str, messages: int, worker: WorkerProcess, timeout_s: float = 1800.0
    ) -> float:
        """Wait until ``messages`` are DONE in the ledger: history, current state and counts stand.

        Returns when that was, seconds since 1970. Raises RollcallError when the worker ends or stands still.
        """
        end, moved, before = time.monotonic() + timeout_s, time.monotonic(), -1
        while True:
            done, last = client.query(load_sql("ledger_progress"), parameters={"group": group}).result_rows[0]
            if done >= messages:
                return float(last) / 1e6
            if done != before:
                before, moved = done, time.monotonic()
            worker.check()
            if time.monotonic() > end or time.monotonic() - moved > 120:
                raise RollcallError(f"the worker stands still at {done:,} of {messages:,} messages")
            time.sleep(_LOOK_S)

    def wait_archived(self, client: Client, messages: int, archive: WorkerProcess, timeout_s: float = 1800.0) -> None:
        """Wait until so many messages are archived. Raises RollcallError when the archive ends or is not in time."""
        end = time.monotonic() + timeout_s
        while client.query(load_sql("archive_progress")).result_rows[0][0] < messages:
            archive.check()
            if time.monotonic() > end:
                raise RollcallError(f"the archive has not {messages:,} messages after {timeout_s:.0f} s")
            time.sleep(_LOOK_S)

    def _migrated(self, database: str) -> Client:
        self.drop(database)
        client = self.client("default")
        migrate(client, database)
        client.close()
        return self.client(database)

    def _empty_topics(self) -> None:
        admin = AdminClient(self.settings.kafka.client_config())
        consumer = Consumer({**self.settings.kafka.client_config(), "group.id": "bench-watermarks"})
        try:
            ends = []
            for topic in (REGISTER, MIS):
                for partition in range(topics.PARTITIONS):
                    _, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
                    ends.append(TopicPartition(topic, partition, high))
            for future in admin.delete_records(ends).values():
                future.result()
        finally:
            consumer.close()

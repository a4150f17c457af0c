"""A worker on the real stack, what it is sent, and what became of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import clickhouse_connect
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from rollcall.domain.findings import BIT
from rollcall.failpoints import FailPoints
from rollcall.settings import Settings
from schemas.topics import PRODUCER
from sinks import reference
from sinks.ledger import Ledger, LedgerRange, position
from sinks.verify import verify
from streams.assignment import topics_by_name
from streams.worker import Worker
from tests.streams.messages import Here, encode, topic_of
from tests.streams.town import reference_messages
from tests.topic_ends import reference_ends, watermarks

#: Longer than anything here takes on a machine shared with others.
PATIENCE_S = 120.0


class Place(NamedTuple):
    """Where Kafka put a message."""

    topic: str
    partition: int
    offset: int


class Fate(NamedTuple):
    """What became of one mark: accepted, superseded, unchanged or a reason; and the exceptions of an accepted one."""

    outcome: str
    exceptions: frozenset[str] = frozenset()


class Died(Exception):  # noqa: N818 - it is no error of ours
    """A worker of this process went no further."""


class Rig:
    """One test's database, consumer group and ledger, which begins at the ends of the topics as they are."""

    def __init__(self, home: Path, database: str, ids: dict[str, int], schools: Sequence[int] = ()) -> None:
        self.home, self.database, self.ids = home, database, ids
        self.group = f"rollcall-test-{uuid.uuid4().hex[:12]}"  # a database is used again, a group is not
        self.settings = self.settings_with()
        self.client = clickhouse_connect.get_client(**self.settings.clickhouse.client_options(), database=database)
        self.topics = topics_by_name(self.settings)
        self.ledger = Ledger(self.client, self.settings.worker.group)
        self._producer = Producer({**self.settings.kafka.client_config(), **PRODUCER, "linger.ms": 0})
        self.admin = AdminClient(self.settings.kafka.client_config())
        reference.apply(self.client, reference_messages(schools), reference_ends(self.settings.kafka))
        self._begin_at_the_ends()
        self._ended: list[BaseException] = []

    def settings_with(self, **worker: Any) -> Settings:
        """The test's settings, with some of the worker's own."""
        told = {"group": self.group, "linger_quiet_ms": 20, "session_timeout_ms": 6_000, **worker}
        archive = {"group": f"{self.group}-archive"}
        return Settings.load(home=self.home, clickhouse={"database": self.database}, worker=told, archive=archive)

    def settings_through(self, port: int) -> Settings:
        """The test's settings, with ClickHouse reached at another port of this machine."""
        moved = self.settings.clickhouse.model_copy(update={"host": "127.0.0.1", "port": port})
        return self.settings.model_copy(update={"clickhouse": moved})

    def close(self) -> None:
        self.client.close()

    # ---- Kafka

    def _begin_at_the_ends(self) -> None:
        """Kafka is shared by all tests: what others sent is DONE as far as this group is concerned."""
        ranges = [
            LedgerRange(name, self.topics[name].uuid, partition, min(low, high - 1), high - 1, 0, 0, 0, 0, 0)
            for (name, partition), (low, high) in watermarks(self.settings.kafka, "attendance").items()
            if high and name in self.topics
        ]
        self.ledger.write("DONE", ranges, f"begin:{self.group}")

    def send(self, *messages: dict[str, Any]) -> list[Place]:
        """Publish messages in order; returns their places when Kafka has all."""
        return self.send_raw(*((topic_of(m), str(m["urn"]).encode(), encode(m, self.ids)) for m in messages))

    def send_raw(self, *sent: tuple[str, bytes | None, bytes | None], partition: int = -1) -> list[Place]:
        """The same for (topic, key, value); ``partition`` -1: by the key."""
        places: list[Any] = [None] * len(sent)

        def acknowledged(number: int, error: Any, message: Any) -> None:
            assert error is None, error
            places[number] = Place(message.topic(), message.partition(), message.offset())

        for number, (topic, key, value) in enumerate(sent):
            self._producer.produce(
                topic, key=key, value=value, partition=partition,
                on_delivery=lambda e, m, n=number: acknowledged(n, e, m),
            )  # fmt: skip
        assert self._producer.flush(PATIENCE_S) == 0
        return places

    def send_with_headers(
        self, topic: str, key: bytes, value: bytes, *headers: list[bytes], name: str = "replay_of"
    ) -> list[Place]:
        """The same message once for each list of values, all under one header's name."""
        places: list[Place] = []
        for values in headers:
            self._producer.produce(
                topic, key=key, value=value, headers=[(name, one) for one in values],
                on_delivery=lambda _, m: places.append(Place(m.topic(), m.partition(), m.offset())),
            )  # fmt: skip
            assert self._producer.flush(PATIENCE_S) == 0
        return places

    def read(self, place: Place) -> Any:
        """The message at a place, as Kafka gives it."""
        consumer = Consumer({**self.settings.kafka.client_config(), "group.id": "rollcall-test-read"})
        try:
            consumer.assign([TopicPartition(*place)])
            (message,) = consumer.consume(1, PATIENCE_S)
            return message
        finally:
            consumer.close()

    def replays(self) -> list[Place]:
        """Where everything stands that was sent again."""
        names = {topic.uuid: name for name, topic in self.topics.items()}
        rows = self.client.query(
            "SELECT DISTINCT replayed_topic_id, replayed_partition, replayed_offset FROM quarantine_trail"
            " WHERE what IN ('sent', 'judged') ORDER BY ALL"
        ).result_rows
        return [Place(names[topic_id], partition, offset) for topic_id, partition, offset in rows]

    def partition_of(self, urn: int) -> int:
        """The partition of a school: it is the same on every topic."""
        key = str(urn).encode()
        return self.send_raw(("attendance.register.v1", key, None))[0].partition

    # ---- the worker

    @contextlib.contextmanager
    def worker(self, settings: Settings | None = None, **options: Any) -> Iterator[Worker]:
        """A worker in a thread; what made it end is raised when the block is left.

        It leaves its group when it ends, so nobody waits for its session: that one is long enough for a busy machine.
        """
        running = Worker(
            settings or self.settings_with(session_timeout_ms=20_000), reference, **{"fail": FailPoints(""), **options}
        )
        ended: list[BaseException] = []

        def run() -> None:
            try:
                running.run()
            except BaseException as e:  # noqa: BLE001 - raised again in the test's own thread
                ended.append(e)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._ended = ended
        try:
            yield running
        finally:
            running.stop()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        if ended:
            raise ended[0]

    def process(self, failpoint: str = "", *options: str) -> subprocess.Popen[bytes]:
        """`rollcall worker` in a process of its own, with a fail point armed."""
        environment = {
            **os.environ, "ROLLCALL_HOME": str(self.home), "ROLLCALL_CLICKHOUSE__DATABASE": self.database,
            "ROLLCALL_WORKER__GROUP": self.settings.worker.group, "ROLLCALL_WORKER__LINGER_QUIET_MS": "20",
            "ROLLCALL_WORKER__SESSION_TIMEOUT_MS": "3000", "ROLLCALL_FAILPOINT": failpoint,
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "rollcall.cli", "worker", *options], env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def killed_at(self, failpoint: str) -> None:
        """Run a worker until it dies by its fail point."""
        dying = self.process(failpoint)
        try:
            _, said = dying.communicate(timeout=PATIENCE_S)
        finally:
            dying.kill()
            dying.wait()
        assert dying.returncode == -9, said.decode()[-2000:]

    def dies_at(self, failpoint: str) -> None:
        """The same without a process: a worker in this one goes no further than ``failpoint``, and writes no more."""

        class Mortal(FailPoints):
            def reach(self, name: str) -> None:
                if name == failpoint:
                    raise Died

        with pytest.raises(Died), self.worker(self.settings, fail=Mortal("")):
            self.await_end()

    # ---- what became of it

    def positions(self) -> dict[tuple[str, int], int]:
        """Where each partition goes on, by the ledger."""
        names = {topic.uuid: name for name, topic in self.topics.items()}
        rows = self.client.query(
            "SELECT topic_id, partition, first_offset, last_offset FROM ledger FINAL"
            " WHERE consumer_group = {g:String} AND state = 'DONE' ORDER BY topic_id, partition, first_offset",
            parameters={"g": self.settings.worker.group},
        ).result_rows
        found = {}
        for (topic_id, partition), of_it in itertools.groupby(rows, key=lambda row: row[:2]):
            if topic_id in names:
                ranges = [LedgerRange(names[topic_id], *row, 0, 0, 0, 0, 0) for row in of_it]
                found[names[topic_id], partition] = position(ranges, ranges[0].first)
        return found

    def settle(self, *places: Place) -> None:
        """Wait until every one of ``places`` is DONE."""
        deadline, pause = time.monotonic() + PATIENCE_S, 0.1
        while True:
            done = self.positions()
            if all(done.get((p.topic, p.partition), 0) > p.offset for p in places):
                return
            if self._ended:
                raise self._ended[0]
            assert time.monotonic() < deadline, f"not DONE: {done}"
            time.sleep(pause)  # asked more often, ClickHouse would answer us instead of the worker
            pause = min(pause * 1.5, 0.5)

    def await_end(self) -> None:
        """Wait until the worker ends by itself; leaving its block raises why."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._ended:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def done(self, *messages: dict[str, Any]) -> list[list[Fate]]:
        """Send messages, wait, and say what became of each mark of each."""
        places = self.send(*messages)
        self.settle(*places)
        return [self.fates(place) for place in places]

    def fates(self, place: Place) -> list[Fate]:
        """What became of each item of the message at ``place``; of one refused whole, its reason alone."""
        where = {"t": place.topic, "p": place.partition, "o": place.offset, "u": self.topics[place.topic].uuid}
        condition = "topic_id = {u:String} AND partition = {p:UInt16} AND offset = {o:UInt64}"
        refused = dict(
            self.client.query(f"SELECT item, reason FROM quarantine FINAL WHERE {condition}", where).result_rows
        )
        if -1 in refused:
            return [Fate(refused[-1])]
        ((marks,),) = self.client.query(
            f"SELECT marks FROM register_receipt FINAL WHERE {condition}", where
        ).result_rows
        written = {
            item: Fate("superseded" if superseded else "accepted", _names(bits))
            for item, superseded, bits in self.client.query(
                f"SELECT item, superseded, exceptions FROM mark_event FINAL WHERE {condition}", where
            ).result_rows
        }
        assert not set(written) & set(refused)
        return [written.get(item) or Fate(refused.get(item, "unchanged")) for item in range(marks)]

    def current(self) -> dict[tuple[int, str, str], tuple[str, str, str]]:
        """(urn, reference, session) -> (source, raw code, canonical code) of the marks that count."""
        rows = self.client.query(
            "SELECT m.urn, c.ref, toString(m.session), m.source, m.raw_code, m.canonical_code"
            " FROM mark_current AS m FINAL INNER JOIN (SELECT * FROM crosswalk FINAL WHERE scheme = 'mis') AS c"
            " ON m.urn = c.urn AND m.pupil_id = c.pupil_id WHERE m.is_mark"
        ).result_rows
        return {(urn, ref, session): (source, raw, code) for urn, ref, session, source, raw, code in rows}

    def counts(self, urn: int) -> dict[tuple[str, str], int]:
        """(session, canonical code) -> marks, of school_session, zeros included."""
        rows = self.client.query(
            "SELECT toString(session), canonical_code, sum(marks) FROM school_session FINAL WHERE urn = {urn:UInt32}"
            " GROUP BY ALL",
            parameters={"urn": urn},
        ).result_rows
        return {(session, code): marks for session, code, marks in rows}

    def here(self, query: str) -> Any:
        """The rows of a query whose ``WHERE`` ends with ``urn =``: of the test's own school."""
        return self.client.query(f"{query} {Here.urn}").result_rows

    def check(self) -> None:
        """The identities of every range, nothing PENDING, and current state equal to what history says."""
        off = self.client.query(
            "SELECT partition, first_offset FROM ledger FINAL WHERE consumer_group = {g:String} AND epoch > 0"
            " AND (state = 'PENDING' OR state = 'DONE' AND (messages != decoded + undecodable + no_record"
            " OR marks != accepted + unchanged + quarantined))",
            parameters={"g": self.settings.worker.group},
        ).result_rows
        assert off == []
        found = verify(self.client)
        assert found.equal, found.as_json()


def _names(bits: int) -> frozenset[str]:
    return frozenset(name for name, bit in BIT.items() if bits & int(bit))

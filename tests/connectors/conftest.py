"""Fixtures of the connectors' tests: real topics and schemas, what is on a topic, a stack that may be killed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

import schemas
from connectors.encoding import Encoder
from connectors.ingest.keys import KeyRing, add
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.sources_file import SourcesFile
from connectors.topic_contents import messages
from rollcall.settings import Settings
from schemas import topics, wire
from tests.connectors.mis import TOKEN, FakeWonde, mark, student
from tests.connectors.puller import CODES, SESSIONS, Puller

_URNS = itertools.count(100_001)

#: What is on a topic under a key: the decoded values, in order.
ReadTopic = Callable[[str, int], list[dict[str, Any]]]


@pytest.fixture
def urn() -> int:
    """A school that no other test uses."""
    return next(_URNS)


@pytest.fixture(scope="session")
def kafka(stack: Any, registered: dict[str, int]) -> str:
    """Brokers, with every topic of ours there."""
    make_topics(stack.kafka)
    return str(stack.kafka)


@pytest.fixture(scope="session")
def publisher(kafka: str) -> Iterator[Publisher]:
    with Publisher({"bootstrap.servers": kafka}, delivery_seconds=20) as made:
        yield made


@pytest.fixture(scope="session")
def encoder(stack: Any, registered: dict[str, int]) -> Encoder:
    return Encoder(stack.registry)


@pytest.fixture(scope="session")
def upn_key() -> UpnKey:
    return UpnKey(b"a key that is only used in tests", "k1")


@pytest.fixture
def read_topic(kafka: str) -> ReadTopic:
    return lambda topic, urn: [decoded(topic, value) for value in read(kafka, topic, str(urn))]


@pytest.fixture
def key_ring(tmp_path: Path) -> tuple[KeyRing, str]:
    """A ring with one key, for the source `classroom` and every school; and the token."""
    _, token = add(tmp_path / "keys.json", "classroom", None)
    return KeyRing(tmp_path / "keys.json"), token


@pytest.fixture(scope="session")
def mortal_stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A whole stack of its own whose parts a test may kill, if it brings them up again."""
    if request.config.getoption("--stack") == "containers":
        pytest.skip("kills parts of the embedded stack")
    from rollcall.stack import EmbeddedStack
    from schemas.registry import Registry

    stack = EmbeddedStack(tmp_path_factory.mktemp("mortal"))
    try:
        urls = stack.up()
        with Registry(urls.registry) as registry:
            registry.register_all()
        make_topics(urls.kafka)
        yield stack
    finally:
        stack.down()


@pytest.fixture
def mis() -> Iterator[FakeWonde]:
    server = FakeWonde()
    server.held = {"A1/attendance-codes": CODES, "A1/students": [student(number) for number in range(3)], SESSIONS: []}
    yield server
    server.close()


@pytest.fixture
def puller(mis: FakeWonde, urn: int, publisher: Publisher, encoder: Encoder, tmp_path: Path) -> Puller:
    return Puller(mis, urn, publisher, encoder, tmp_path)


@pytest.fixture
def here(stack: Any, kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an installation of its own, on the shared stack."""
    monkeypatch.setenv("GOOD_TOKEN", TOKEN)
    monkeypatch.setenv("BAD_TOKEN", "another token that is only used in tests")
    return Settings.load(home=tmp_path, kafka={"bootstrap": kafka}, registry={"url": stack.registry})


@pytest.fixture
def other_mis() -> Iterator[FakeWonde]:
    server = FakeWonde()
    server.held = {"A1/attendance-codes": CODES, "A1/students": [student(7)], SESSIONS: [mark(7)]}
    yield server
    server.close()


@pytest.fixture
def file(here: Settings) -> SourcesFile:
    return SourcesFile(here.sources_file)


def make_topics(bootstrap: str) -> None:
    """Every topic of ours, and every partition answering: a broker names a leader before the leader leads."""
    topics.apply(AdminClient({"bootstrap.servers": bootstrap}))
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "tests"})
    waiting = [TopicPartition(topic.name, one) for topic in topics.TOPICS for one in range(topic.partitions)]
    deadline = time.monotonic() + 60
    try:
        while waiting:
            try:
                consumer.get_watermark_offsets(waiting[-1], timeout=10)
                waiting.pop()
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
    finally:
        consumer.close()


def decoded(topic: str, value: bytes) -> dict[str, Any]:
    """The record of a message, by the committed schema."""
    return wire.decode(schemas.parsed(topic), value)


def read(bootstrap: str, topic: str, key: str) -> list[bytes]:
    """Every value that stands on a topic under a key, oldest first; a test of erasure may have cut it."""
    settings = Settings.load(kafka={"bootstrap": bootstrap})
    return [one.value() for one in messages(settings, topic) if one.key() == key.encode()]


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Ask again until it is so; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)

"""The rigs of the tests that run a worker on the real stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from schemas.topics import apply
from tests.databases import Databases
from tests.streams.messages import URN, Here
from tests.streams.rig import Rig

#: A school for each test of a file that shares a worker.
SCHOOLS = range(720_001, 720_031)


@pytest.fixture(scope="session")
def topics_made(stack: Any) -> None:
    """All topics exist."""
    apply(AdminClient({"bootstrap.servers": stack.kafka}))


@pytest.fixture
def rig(stack_home: Path, clickhouse_database: str, registered: dict[str, int], topics_made: None) -> Iterator[Rig]:
    """A database with the town in it, a consumer group that begins now."""
    made = Rig(stack_home, clickhouse_database, registered)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(
    databases: Databases, stack_home: Path, registered: dict[str, int], topics_made: None
) -> Iterator[Iterator[Rig]]:
    """A rig with a worker at work for all tests of a file; all identities hold in the end. Gives schools one by one."""
    database, _ = databases.take()
    made = Rig(stack_home, database, registered, SCHOOLS)

    def schools() -> Iterator[Rig]:
        for urn in SCHOOLS:
            Here.urn = urn
            yield made

    with made.worker():
        yield schools()
    made.check()
    made.close()
    databases.drop(database)  # not used again: whether its tests failed is not known here


@pytest.fixture
def working(shared: Iterator[Rig]) -> Iterator[Rig]:
    """The file's rig with a worker at work, and `Here.urn` a school that no other test of the file has."""
    yield next(shared)
    Here.urn = URN

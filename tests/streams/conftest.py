"""The rigs of the tests that run a worker on the real stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from schemas.topics import apply
from tests.databases import Databases
from tests.streams.lab import Lab
from tests.streams.messages import URN, Here, at, mark, page, record, register
from tests.streams.rig import Rig

#: A school for each test of a file that shares a worker.
SCHOOLS = range(720_001, 720_031)


@pytest.fixture(scope="session")
def topics_made(stack: Any) -> None:
    """All topics exist."""
    apply(AdminClient({"bootstrap.servers": stack.kafka}))


@pytest.fixture(scope="session")
def kernels_compiled() -> None:
    """In a checkout that is new: compiled once, into the cache of all its processes. Compiling takes longer than a
    worker may be silent whose session ends after 3 s, and who is fenced passes other fail points than were armed.
    """
    lab = Lab()
    for number in range(2):
        lab.take(register(mark("P0"), mark("P1", "L", minutes_late=5), submitted_at=at(number)))
        lab.take(page(record("r", "P0", "/"), taken_at=at(number)), page(deletions=["r"], taken_at=at(number + 5)))
        lab.restart()


@pytest.fixture
def rig(
    stack_home: Path,
    clickhouse_database: str,
    registered: dict[str, int],
    topics_made: None,
    kernels_compiled: None,
) -> Iterator[Rig]:
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

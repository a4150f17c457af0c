"""The rig of the tests that run a worker on the real stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from schemas.topics import apply
from tests.streams.rig import Rig


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

"""An agent at work in a thread of the test, on the real stack; what it is sent and what it has written."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import schemas
from connectors.ingest.kiosk import TOPIC, record
from connectors.pupils import PupilReference
from rollcall.settings import Settings
from schemas import wire
from streams.agents.harness import Agent, Harness
from tests.connectors.conftest import read
from tests.streams.rig import PATIENCE_S, Place, Rig

__all__ = ["at_work", "await_that", "facts", "send", "sign", "written"]

_keys = itertools.count(1)
#: What made the agent at work end.
_ended: list[BaseException] = []


@contextlib.contextmanager
def at_work(settings: Settings, agent: Agent, group: str) -> Iterator[Harness]:
    """The agent works until the block ends; what made it end is raised then."""
    harness = Harness(settings, agent, group=group)
    ended = _ended
    ended.clear()

    def run() -> None:
        try:
            harness.run()
        except BaseException as e:  # noqa: BLE001 - raised again in the test's own thread
            ended.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        await_that(lambda: not harness.not_ready().keys() & {"agent"})
        yield harness
    finally:
        harness.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    if ended:
        raise ended.pop()


def await_that(true: Callable[[], bool]) -> None:
    """Ask again until it is so; raises what made the agent end, when it ends first."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if _ended:
            raise _ended[0]
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


def sign(
    urn: int, ref: str, event_at: datetime, direction: str = "in", *, scheme: str = "mis", key: str | None = None
) -> dict[str, Any]:
    """One event of a kiosk, as the ingest API would put it on its topic."""
    named = key or f"{urn}-{next(_keys)}"
    return record("front-desk", named, urn, PupilReference(scheme, ref), direction, event_at=event_at)


def send(rig: Rig, *events: dict[str, Any]) -> list[Place]:
    """Put events on their topic; returns their places when Kafka has all."""
    schema, schema_id = schemas.parsed(TOPIC), rig.ids[TOPIC]
    return rig.send_raw(*((TOPIC, str(one["urn"]).encode(), wire.encode(schema, schema_id, one)) for one in events))


def written(rig: Rig, topic: str, urn: int) -> list[dict[str, Any]]:
    """What is on a topic under a URN, in order."""
    found = read(rig.settings.kafka.bootstrap, topic, str(urn))
    return [wire.decode(schemas.parsed(topic), value) for value in found]


def facts(rig: Rig, urn: int) -> list[tuple[Any, ...]]:
    """What is kept of a school's kiosk: person, direction, whether it gave evidence; by time."""
    return list(
        rig.client.query(
            "SELECT person_ref, direction, is_evidence FROM kiosk_events WHERE urn = {urn:UInt32} ORDER BY event_at",
            parameters={"urn": urn},
        ).result_rows
    )

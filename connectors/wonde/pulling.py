"""Wonde pulls as a process: put the parts together from the settings, round after round."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import structlog

from connectors.contract import Source, Window
from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.refused import RefusedFolder
from connectors.runner import OVERLAP, Pulled, Runner, What
from connectors.state import StateFolder
from connectors.wonde.client import Patience, WondeClient
from connectors.wonde.connector import WondeConnector
from rollcall.errors import SourceError

if TYPE_CHECKING:
    from connectors.access import Access
    from rollcall.settings import Settings

__all__ = ["check", "resume", "run", "state_of"]

log = structlog.get_logger()

#: A pull can wait for Kafka as long as a broker takes to come back; a sender of registers cannot.
_DELIVERY_SECONDS = 60.0


async def run(
    settings: Settings,
    access: Access,
    *,
    every: float | None = None,
    window: Window | None = None,
    what: What = "all",
    at_once: int = 8,
    overlap: timedelta = OVERLAP,
    roster_every: float = 3600.0,
    today: date | None = None,
    patience: Patience | None = None,
    finished: Callable[[list[Pulled]], None] = lambda _round: None,
) -> list[Pulled]:
    """Pull every school once, or again `every` so many seconds until cancelled; `finished` is told of each round.

    what: with "all", rosters are read in the first round and then every `roster_every` seconds, and published when they
    have changed. overlap: how far before the cursor a pull reaches back. Returns the last round.
    Raises ConfigError, SourceError when not even the list of schools can be had; with `every` that is tried again.
    """
    refused = RefusedFolder(settings.home / "connectors" / "refused" / WondeConnector.make)
    refused.forget_old()
    client = WondeClient(access.base_url, patience=patience, a_second=access.requests_a_second)
    with Publisher(
        settings.kafka.client_config(), delivery_seconds=_DELIVERY_SECONDS, client_id="rollcall-wonde"
    ) as publisher:
        connector = WondeConnector(access, client, UpnKey.of(settings), today=today)
        runner = Runner(
            connector,
            publisher,
            Encoder(settings.registry.url),
            state_of(settings),
            refused,
            at_once=at_once,
            overlap=overlap,
        )
        rosters_read = -math.inf
        try:
            while True:
                try:
                    this_time: What = what
                    if what == "all" and time.monotonic() - rosters_read < roster_every:
                        this_time = "marks"
                    last = await runner.round(await connector.discover(), window=window, what=this_time)
                    if this_time == "all":
                        rosters_read = time.monotonic()
                except SourceError as error:
                    if every is None:
                        raise
                    log.error("discover_failed", exc_info=error)
                else:
                    finished(last)
                    if every is None:
                        return last
                await asyncio.sleep(every)
        finally:
            await client.aclose()


async def check(settings: Settings, access: Access) -> list[tuple[Source, list[str]]]:
    """What stands in the way of each school, in the order of the configuration. Raises as `run` does."""
    client = WondeClient(access.base_url, patience=Patience(tries=3))
    try:
        connector = WondeConnector(access, client, UpnKey.of(settings))
        return [(source, list(await connector.check(source))) for source in await connector.discover()]
    finally:
        await client.aclose()


def resume(settings: Settings, school_id: str) -> str | None:
    """Forget that a school refused us; returns why it was stopped, None when it was not."""
    states = state_of(settings)
    state = states.load(school_id)
    if state.stopped is not None:
        states.save(school_id, replace(state, stopped=None, credential=None))
    return state.stopped


def state_of(settings: Settings) -> StateFolder:
    """Where the cursors of Wonde's schools are."""
    return StateFolder(settings.home / "connectors" / "state" / WondeConnector.make)

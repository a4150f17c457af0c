"""Pulls of every source as a process: sources side by side, round after round, as the sources file says at the time.

One source that is away, refuses us or is defined wrongly holds up none of the others. Before each of a source's rounds
the file is looked at again, so that a source that is added, changed or taken out is pulled, pulled otherwise or left
alone without a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from connectors.encoding import Encoder
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.source_pulls import Parts, Plan, Round, SourcePulls
from connectors.sources_file import SourcesFile
from rollcall.errors import ConfigError

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["parts_of", "run", "to_run"]

log = structlog.get_logger()

#: A pull can wait for Kafka as long as a broker takes to come back; a sender of registers cannot.
_DELIVERY_SECONDS = 60.0
#: How often the file is looked at for sources that are new (s), at least.
_LOOK_SECONDS = 5.0


async def run(
    settings: Settings,
    plan: Plan,
    *,
    names: Sequence[str] = (),
    every: float | None = None,
    finished: Callable[[Round], None] = lambda _round: None,
) -> list[Round]:
    """Pull every source (or those of these names) once and return their rounds; or again `every` so many seconds after
    each of its rounds, until cancelled. `finished` is told of each round of each source.

    Raises UsageError for a name that is none, ConfigError when the file or the key for UPNs cannot be read.
    """
    file = SourcesFile(settings.sources_file)
    chosen = file.chosen(names)
    with parts_of(settings, file) as parts:
        if every is None:
            return list(await asyncio.gather(*(_once(name, parts, plan, finished) for name in chosen)))
        async with asyncio.TaskGroup() as group:
            running: dict[str, asyncio.Task[None]] = {}
            while True:
                for name in to_run(file, names):
                    if name not in running or running[name].done():
                        running[name] = group.create_task(_again(name, parts, plan, every, finished))
                await asyncio.sleep(min(every, _LOOK_SECONDS))


@contextmanager
def parts_of(settings: Settings, file: SourcesFile) -> Iterator[Parts]:
    """What the pulls of all sources share, until the block ends. Raises ConfigError when the key cannot be read."""
    upn_key = UpnKey.of(settings)
    client = settings.kafka.client_config()
    with Publisher(client, delivery_seconds=_DELIVERY_SECONDS, client_id="rollcall-pull") as publisher:
        yield Parts(settings, file, publisher, Encoder(settings.registry.url), upn_key)


async def _once(name: str, parts: Parts, plan: Plan, finished: Callable[[Round], None]) -> Round:
    pulls = SourcePulls(name, parts, plan)
    try:
        done = await pulls.round()
    finally:
        await pulls.close()
    finished(done)
    return done


async def _again(name: str, parts: Parts, plan: Plan, every: float, finished: Callable[[Round], None]) -> None:
    """Round after round of one source, as long as it is among the sources. What nobody foresaw ends no other source."""
    pulls = SourcePulls(name, parts, plan)
    try:
        while name in to_run(parts.file, [name]):
            try:
                done = await pulls.round()
            except Exception as error:
                log.error("source_broken", connector=name, exc_info=error)
                done = Round(name, why=f"unforeseen: {type(error).__name__}; the log says where")
            finished(done)
            await asyncio.sleep(every)
    finally:
        await pulls.close()


def to_run(file: SourcesFile, names: Sequence[str]) -> list[str]:
    """The sources to pull now. While the file cannot be read, those that are asked for: their rounds tell why."""
    try:
        held = file.current()
    except ConfigError as error:
        log.error("sources_unreadable", why=str(error))
        return list(names)
    return [name for name in held if not names or name in names]

"""Asks for pulls instead of making them: at every tick one request for each school that is in force and permits it.

The requests are done by the pulls agents (`connectors.requested`). Nothing is remembered between ticks but when rosters
were asked for last; started again within a tick, the same requests are put there again, with the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from connectors.files import Claim
from connectors.pull_requests import TOPIC, PullRequest, expiry, installation_of, tick_of
from connectors.pulling import parts_of, to_run
from connectors.runner import Pulled
from connectors.source_pulls import Parts, Plan, SourcePulls
from connectors.sources_file import SourcesFile
from rollcall.domain.clock import now
from rollcall.errors import RollcallError, UsageError
from schemas.registry import RegistryAway

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["Asked", "run"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of one source at one tick. failing: schools that cannot be pulled for want of a secret. why: why
    nothing could be asked; empty when it was."""

    name: str
    tick: datetime
    requests: Sequence[PullRequest] = ()
    failing: Sequence[Pulled] = ()
    why: str = ""

    @property
    def whole(self) -> bool:
        """Whether every school was asked."""
        return not self.why and not self.failing


async def run(
    settings: Settings,
    plan: Plan,
    *,
    names: Sequence[str] = (),
    every: float | None = None,
    finished: Callable[[Asked], None] = lambda _asked: None,
) -> list[Asked]:
    """Ask once for every school of every source (or those of these names); or at every tick, until cancelled.

    Raises UsageError for a name that is none, or when another process asks at every tick already; ConfigError when the
    file or the key for UPNs cannot be read.
    """
    file = SourcesFile(settings.sources_file)
    chosen = file.chosen(names)
    with parts_of(settings, file) as parts:
        asking = _Asking(parts, plan, installation_of(settings), every)
        try:
            if every is None:
                return await asking.all(list(chosen), now(), finished)
            with Claim(settings.home / "connectors" / "requests.running") as ours:
                if not ours:
                    raise UsageError("another process asks for pulls already: one is enough, whoever does them")
                while True:
                    await asking.all(to_run(file, names), now(), finished)
                    await asyncio.sleep(_until_the_next(every))
        finally:
            await asking.close()


class _Asking:
    """The asking of one process: its sources stay open, since some have to be asked which schools they hold."""

    def __init__(self, parts: Parts, plan: Plan, installation: str, every: float | None) -> None:
        self._parts, self._plan, self._installation, self._every = parts, plan, installation, every
        self._opened: dict[str, SourcePulls] = {}

    async def all(self, names: Sequence[str], at: datetime, finished: Callable[[Asked], None]) -> list[Asked]:
        """Ask every source, side by side."""
        tick = tick_of(at, self._every)
        asked = list(await asyncio.gather(*(self._source(name, tick) for name in names)))
        for one in asked:
            finished(one)
        return asked

    async def close(self) -> None:
        """Close every connection."""
        for pulls in self._opened.values():
            await pulls.close()

    async def _source(self, name: str, tick: datetime) -> Asked:
        # With a share it claims nothing: it moves no cursor.
        pulls = self._opened.setdefault(name, SourcePulls(name, self._parts, self._plan, share=1.0))
        what, plan = pulls.due(), self._plan
        try:
            sources, failing = await pulls.schools()
            requests = [
                PullRequest(
                    self._installation, name, one.id, one.urn, tick, what, plan.window,
                    expires_at=expiry(tick, self._every, what),
                )
                for one in sources
            ]  # fmt: skip
            await self._put(requests)
        except (RollcallError, RegistryAway, OSError) as error:
            why = "the schema registry does not answer" if isinstance(error, RegistryAway) else str(error)
            log.error("source_not_asked", connector=name, why=why)
            return Asked(name, tick, why=why)
        except Exception as error:
            log.error("source_broken", connector=name, exc_info=error)
            return Asked(name, tick, why=f"unforeseen: {type(error).__name__}; the log says where")
        pulls.asked(what)
        return Asked(name, tick, requests, failing)

    async def _put(self, requests: Sequence[PullRequest]) -> None:
        """Returns when Kafka has acknowledged all of them."""
        encoder, publisher = self._parts.encoder, self._parts.publisher
        if not encoder.knows_ids:
            await asyncio.to_thread(encoder.ready)
        await asyncio.gather(
            *(publisher.deliver(TOPIC, str(one.urn).encode(), encoder.encode(TOPIC, one.record())) for one in requests)
        )


def _until_the_next(every: float) -> float:
    """Seconds to the next tick."""
    at = now()
    return (tick_of(at, every) + timedelta(seconds=every) - at).total_seconds()

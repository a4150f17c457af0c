"""The pulls of one source: its connector, kept open from round to round, and what becomes of each round.

Each source has its own client and rate limit, and its own folders for state, refused pages and backfill.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from connectors.access import Access
from connectors.contract import Connector, Source, Window
from connectors.encoding import Encoder
from connectors.files import Claim, claimed
from connectors.held import Held
from connectors.makes import MAKES, Surroundings
from connectors.publisher import Publisher
from connectors.pupils import UpnKey
from connectors.refused import RefusedFolder
from connectors.runner import OVERLAP, Pulled, Runner, What
from connectors.sources import Definition, access_of
from connectors.sources_file import SourcesFile
from connectors.state import StateFolder
from rollcall.domain.clock import london_date, now
from rollcall.errors import ConfigError, RollcallError

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = [
    "BACKFILL_SHARE",
    "RECONCILE_SHARE",
    "SNAPSHOT_SHARE",
    "Parts",
    "Plan",
    "Round",
    "SourcePulls",
    "backfill_folder",
    "backfill_runs",
    "pulls_run",
    "reconcile_runs",
    "snapshot_runs",
    "state_folder",
    "state_of",
]

log = structlog.get_logger()

#: What a backfill takes of a source's rate limit; the pulls beside it leave it that as soon as they see it.
BACKFILL_SHARE = 0.25
#: What a snapshot takes where pulls run beside it; they leave it that likewise.
SNAPSHOT_SHARE = 0.5
#: What a second pull takes that is only compared (`connectors.second_pull`); all others leave it that.
RECONCILE_SHARE = 0.125


@dataclass(frozen=True, slots=True)
class Plan:
    """How to pull. what: with "all", rosters are read in a source's first round and then every `roster_every` seconds,
    and published when they have changed. window: read these session dates whole, and leave the cursor alone.
    overlap: how far before the cursor a pull reaches back. today: the day it is, None: the day it really is in London.
    """

    what: What = "all"
    window: Window | None = None
    at_once: int = 8
    overlap: timedelta = OVERLAP
    roster_every: float = 3600.0
    today: date | None = None

    def day(self) -> date:
        """The day it is."""
        return self.today or london_date(now())


@dataclass(frozen=True, slots=True)
class Parts:
    """What all sources share."""

    settings: Settings
    file: SourcesFile
    publisher: Publisher
    encoder: Encoder
    upn_key: UpnKey


@dataclass(frozen=True, slots=True)
class Round:
    """What became of one round of one source. why: why no school could even be asked; empty when they were."""

    name: str
    pulled: Sequence[Pulled] = ()
    why: str = ""

    @property
    def whole(self) -> bool:
        """Whether every school was pulled whole."""
        return not self.why and all(one.outcome == "pulled" for one in self.pulled)


@dataclass
class SourcePulls:
    """The pulls of one source. Its connector stays open from round to round, until something about it changes.

    share: of the source's rate limit; with one it moves no cursor. among: the part of all that is done for the source
    that falls to this process, where several share its schools, each school pulled by one at a time
    (`connectors.requested`); None: it is the only one. Close it with `close`.
    """

    name: str
    parts: Parts
    plan: Plan
    share: float | None = None
    among: float | None = None
    _opened: tuple[str, Access] | None = None
    _connector: Connector | None = None
    _runner: Runner | None = None
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)
    _claims: ExitStack = field(default_factory=ExitStack)
    _ours: bool = False
    _rosters_read: float = -math.inf

    async def close(self) -> None:
        """Close the connections, and let another process pull this source."""
        await self._open.aclose()
        self._claims.close()
        self._opened, self._ours = None, False

    async def round(self) -> Round:
        """Pull every school that is in force today and permits it, once. Raises nothing but programming errors."""
        what = self.due()
        try:
            sources, failing = await self.schools()
            pulled = await self.pull(sources, what=what)
        except (RollcallError, OSError) as error:
            log.error("source_failed", connector=self.name, why=str(error))
            return Round(self.name, why=str(error))
        self.asked(what)
        return Round(self.name, [*pulled, *failing])

    def due(self) -> What:
        """What to pull now: rosters are not read in every round."""
        if self.plan.what == "all" and time.monotonic() - self._rosters_read < self.plan.roster_every:
            return "marks"
        return self.plan.what

    def asked(self, what: What) -> None:
        """This was pulled, or asked for."""
        if what == "all":
            self._rosters_read = time.monotonic()

    async def schools(self) -> tuple[list[Source], list[Pulled]]:
        """The schools to pull now, and those that cannot be for want of a secret.

        Raises ConfigError, SourceError when not even the list of schools can be had.
        """
        file = self.parts.file
        definition = file.current().get(self.name)
        if definition is None:
            raise ConfigError(f"{self.name} is no longer among the sources of {file.path}")
        self._claim()
        named = definition.to_pull(self.plan.day())
        if definition.schools and not named:
            return [], []
        access, failing = access_of(definition, named, file.folder)
        lost = [
            Pulled(Source(school.id, school.urn), "failed", failing[school.id])
            for school in named
            if school.id in failing
        ]
        if access is None:
            return [], lost
        connector = await self._connected(definition, access)
        found = await connector.discover()
        return [one for one in found if definition.why_not(one.id, one.urn) is None], lost

    async def pull(
        self,
        sources: Sequence[Source],
        *,
        window: Window | None = None,
        what: What = "all",
        snapshot: str | None = None,
        tick: datetime | None = None,
        held: Mapping[str, Held] | None = None,
        done: Callable[[Pulled], None] = lambda _pulled: None,
    ) -> list[Pulled]:
        """Pull these of the schools that `schools` gave, once (`Runner.round`)."""
        if self._runner is None or not sources:
            return []
        span = window or self.plan.window
        return await self._runner.round(
            sources, window=span, what=what, snapshot=snapshot, tick=tick, held=held, done=done
        )

    def _claim(self) -> None:
        """One process moves the cursors of a source, or several that share its schools: pulls of a school are sent in
        the order they were taken."""
        if self._ours or self.plan.window is not None or self.share is not None:
            return
        claim = Claim(pulls_run(self.parts.settings, self.name), shared=self.among is not None)
        self._ours = self._claims.enter_context(claim)
        if not self._ours:
            self._claims.close()
            raise ConfigError(f"another process pulls {self.name} already: stop it, or pull a --window")

    async def _connected(self, definition: Definition, access: Access) -> Connector:
        """The connector for this access; a new one where anything about it is not as it was."""
        access = replace(access, requests_a_second=access.requests_a_second * self._share())
        if self._connector is not None and self._opened == (definition.make, access):
            return self._connector
        self._opened = None
        await self._open.aclose()
        around = Surroundings(self.parts.upn_key, self.plan.today)
        self._connector = await self._open.enter_async_context(MAKES[definition.make].open(access, around))
        refused = RefusedFolder(self.parts.settings.home / "connectors" / "refused" / self.name)
        refused.forget_old()
        self._runner = Runner(
            self._connector,
            self.parts.publisher,
            self.parts.encoder,
            state_of(self.parts.settings, self.name),
            refused,
            at_once=self.plan.at_once,
            overlap=self.plan.overlap,
            why_not=self.parts.file.permits(self.name),
        )
        self._opened = definition.make, access
        return self._connector

    def _share(self) -> float:
        if self.share is not None:
            return self.share
        settings, name = self.parts.settings, self.name
        left = 1 - BACKFILL_SHARE if claimed(backfill_runs(settings, name)) else 1.0
        left -= RECONCILE_SHARE if claimed(reconcile_runs(settings, name)) else 0.0
        left -= SNAPSHOT_SHARE if claimed(snapshot_runs(settings, name)) else 0.0
        return left if self.among is None else left * self.among


def state_folder(settings: Settings, name: str) -> Path:
    """Where the state of a source's schools is."""
    return settings.home / "connectors" / "state" / name


def state_of(settings: Settings, name: str) -> StateFolder:
    """The cursors of a source's schools."""
    return StateFolder(state_folder(settings, name))


def backfill_folder(settings: Settings, name: str) -> Path:
    """Where it is kept how far a source's backfill is."""
    return settings.home / "connectors" / "backfill" / name


def backfill_runs(settings: Settings, name: str) -> Path:
    """The file that a source's backfill claims as long as it runs."""
    return backfill_folder(settings, name) / ".running"


def pulls_run(settings: Settings, name: str) -> Path:
    """The file that a source's pulls claim as long as they run: they alone move its cursors."""
    return settings.home / "connectors" / "state" / f"{name}.pulling"


def reconcile_runs(settings: Settings, name: str) -> Path:
    """The file that a second pull of a source claims as long as it runs."""
    return settings.home / "connectors" / "state" / f"{name}.reconciling"


def snapshot_runs(settings: Settings, name: str) -> Path:
    """The file that a snapshot claims as long as it pulls a source."""
    return settings.home / "connectors" / "snapshots" / f".{name}.running"

"""Takes a snapshot: at each cut every permitted school of every source is pulled, for one session date.

- The first cut reads the day whole, each fourth after it, and the last (`Schedule.whole_every`). At the others a school
  that answered whole at the cut before is asked what changed since, where its make can be relied on to say that
  (`Connector.tells_changes_of_days`); any other is read whole. Who was refused, failed, was silent, had a record that
  could not be read, or is of another address or URN than then, is read whole at the next cut.

- Sources are asked side by side, so many schools of each at once. A school that is slow gives its place to the next
  after a while and goes on beside the others: neither its slowness, its failure nor its silence delays them. More than
  there is room for are asked again behind all others (`connectors.snapshots.beside`).
- Whoever has not answered by the deadline is late, and is listened to until the next cut begins; then it is given up.
- Everything that happens is written down as it happens (`connectors.snapshots.record`). Killed and started again, the
  same snapshot goes on in the cut that is open and asks those that have not answered; cuts gone by stay missed.
- Pulls are those of `connectors.runner`, of a window of one day: cursors are neither read nor moved. Pulls that run
  beside it leave it a part of each source's rate limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from connectors.contract import Source, Window
from connectors.files import Claim, claimed
from connectors.held import HeldFolder
from connectors.pulling import parts_of
from connectors.runner import OVERLAP
from connectors.snapshots.asking import Answers, Asking, ended, slow
from connectors.snapshots.beside import Beside, room
from connectors.snapshots.record import CutRecord, Recorder, folder_of, load, read, save_plan
from connectors.snapshots.schedule import Cut, Schedule, differing
from connectors.source_pulls import (
    BACKFILL_SHARE,
    RECONCILE_SHARE,
    SNAPSHOT_SHARE,
    Parts,
    Plan,
    SourcePulls,
    backfill_runs,
    pulls_run,
    reconcile_runs,
    snapshot_runs,
)
from connectors.sources_file import SourcesFile
from rollcall.domain.clock import now
from rollcall.errors import ConfigError, RollcallError, UsageError

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["AT_ONCE", "take"]

log = structlog.get_logger()

#: Schools of one source asked at the same time: at a second a school, 24,500 of one source in 13 minutes.
AT_ONCE = 32
#: A clock that is set, or a machine that slept, is noticed after this (s).
_LOOK_SECONDS = 5.0


async def take(
    settings: Settings,
    schedule: Schedule,
    *,
    at_once: int = AT_ONCE,
    overlap: timedelta = OVERLAP,
    beside: int | None = None,
    told: Callable[[CutRecord], None] = lambda _record: None,
) -> list[CutRecord]:
    """Take the snapshot from now to its end, and return its cuts. `told` is told of a cut when it is over, when it has
    closed with other answers than it had then, and when it was missed. overlap: how far before its last answer a school
    is asked what changed. beside: how many slow schools may go on beside the others; None: as there is room.

    Raises UsageError when there is a snapshot of this name and it is another one, or another process takes it;
    ConfigError when the file of sources, the key for UPNs or what was written before cannot be read.
    """
    with ExitStack() as claims:
        if not claims.enter_context(Claim(folder_of(settings, schedule.name) / ".running")):
            raise UsageError(f"another process takes the snapshot {schedule.name} already")
        _keep(settings, schedule)
        file = SourcesFile(settings.sources_file)
        sources = file.chosen(schedule.sources)
        with parts_of(settings, file) as parts:
            slow_ones = Beside(room(at_once, len(sources)) if beside is None else beside)
            taking = _Taking(schedule, parts, at_once, overlap, slow_ones, told, claims)
            try:
                for cut in schedule.cuts:
                    await taking.cut(cut)
                    taking.learn(cut)
            finally:
                await taking.close()
    return load(settings, schedule.name).cuts


def _keep(settings: Settings, schedule: Schedule) -> None:
    """Write the schedule down, once. What a name means never changes: its receipts are there already."""
    if not (folder_of(settings, schedule.name) / "plan.json").exists():
        save_plan(settings, schedule)
        return
    other = differing(load(settings, schedule.name).schedule, schedule)
    if other:
        raise UsageError(
            f"there is a snapshot {schedule.name} already, of other {', '.join(other)}: give this one another name, or "
            f"go on with that one by `rollcall snapshot run --name {schedule.name}` alone"
        )


@dataclass
class _Taking:
    """The run of one process: its sources stay open from cut to cut."""

    schedule: Schedule
    parts: Parts
    at_once: int
    overlap: timedelta
    beside: Beside
    told: Callable[[CutRecord], None]
    claims: ExitStack
    _pulls: dict[str, SourcePulls] = field(default_factory=dict)
    _before: Answers = field(default_factory=Answers)

    async def close(self) -> None:
        """Close every connection."""
        for pulls in self._pulls.values():
            await pulls.close()

    def learn(self, cut: Cut) -> None:
        """Remember who answered at a cut that is closed."""
        self._before.learn(read(folder_of(self.parts.settings, self.schedule.name), cut))

    async def cut(self, cut: Cut) -> None:
        """Wait for the cut, take it, and return when it closes. One gone by is told as it was left."""
        schedule = self.schedule
        folder = folder_of(self.parts.settings, schedule.name)
        record = read(folder, cut)
        if now() >= (schedule.closes(cut) if record.begun else schedule.due(cut)):
            if not record.begun:
                log.warning("cut_missed", snapshot=schedule.name, cut=cut.label)
                self.told(record)
            return
        await _until(cut.at)
        with Recorder(folder, cut) as recorder:
            await self._take(cut, recorder)

    async def _take(self, cut: Cut, recorder: Recorder) -> None:
        whole = self.schedule.reads_whole(cut)
        log.info("cut_begins", snapshot=self.schedule.name, cut=cut.label, whole=whole)
        asking = asyncio.create_task(self._ask_all(cut, recorder))
        try:
            due = asyncio.create_task(_until(self.schedule.due(cut)))
            await asyncio.wait({asking, due}, return_when=asyncio.FIRST_COMPLETED)
            recorder.over(min(now(), self.schedule.due(cut)))
            due.cancel()
            at_end = self._tell(cut, None)
            closes = asyncio.create_task(_until(self.schedule.closes(cut)))
            await asyncio.wait({asking, closes}, return_when=asyncio.FIRST_COMPLETED)
            closes.cancel()
        finally:
            asking.cancel()
            await asyncio.wait({asking})
        if not asking.cancelled() and (error := asking.exception()) is not None:
            raise error
        self._tell(cut, at_end)

    def _tell(self, cut: Cut, before: list[str | None] | None) -> list[str | None]:
        """Tell how a cut is, unless it is as it was `before`."""
        record = read(folder_of(self.parts.settings, self.schedule.name), cut)
        outcomes: list[str | None] = [school.outcome for school in record.schools.values()]
        if outcomes != before:
            self.told(record)
        return outcomes

    async def _ask_all(self, cut: Cut, recorder: Recorder) -> None:
        names = self.schedule.sources or tuple(self.parts.file.current())
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._ask_source(name, cut, recorder))

    async def _ask_source(self, name: str, cut: Cut, recorder: Recorder) -> None:
        """One source. What nobody foresaw ends no other source."""
        try:
            pulls = self._opened(name)
            sources, failing = await pulls.schools()
        except (RollcallError, OSError) as error:
            log.error("source_failed", connector=name, why=str(error))
            recorder.lost(name, str(error))
            return
        except Exception as error:
            log.error("source_broken", connector=name, exc_info=error)
            recorder.lost(name, f"unforeseen: {type(error).__name__}; the log says where")
            return
        recorder.to_ask(name, [*sources, *(one.source for one in failing)])
        known = {one.id for one in sources}
        for one in failing:
            recorder.ended(ended(name, one, self.schedule.due(cut)))
        for school in recorder.so_far.schools.values():
            if school.source == name and school.school not in known and school.outcome is None:
                school.ended_at, school.outcome = now(), "refused"
                school.why = "it is no longer among the schools to pull"
                recorder.ended(school)
        left = [one for one in sources if not _answered(recorder.so_far, name, one)]
        definition = self.parts.file.current()[name]
        slow_after = slow(self.at_once, definition.requests_a_second * (pulls.share or 1.0))
        of = f"{definition.make} {definition.base_url} {sorted(definition.options.items())}"
        kept = HeldFolder(folder_of(self.parts.settings, self.schedule.name) / "held" / name)
        asking = Asking(pulls, self.schedule, cut, recorder, self._before, kept, of, slow_after, self.beside)
        await asking.all(left, self.at_once)

    def _opened(self, name: str) -> SourcePulls:
        """The pulls of a source, with the part of its rate limit that others leave now. Raises ConfigError."""
        settings = self.parts.settings
        if name not in self._pulls:
            if not self.claims.enter_context(Claim(snapshot_runs(settings, name))):
                raise ConfigError(f"another snapshot pulls {name} already")
            day, most = self.schedule.day, self.at_once + self.beside.most
            plan = Plan("marks", Window(day, day), most, self.overlap, today=self.schedule.today)
            self._pulls[name] = SourcePulls(name, self.parts, plan)
        share = 1.0
        share -= BACKFILL_SHARE if claimed(backfill_runs(settings, name)) else 0.0
        share -= SNAPSHOT_SHARE if claimed(pulls_run(settings, name)) else 0.0
        share -= RECONCILE_SHARE if claimed(reconcile_runs(settings, name)) else 0.0
        self._pulls[name].share = share
        return self._pulls[name]


def _answered(so_far: CutRecord, name: str, school: Source) -> bool:
    known = so_far.schools.get((name, school.id))
    return known is not None and known.urn == school.urn and known.has_answered


async def _until(at: datetime) -> None:
    """Sleep until the clock shows this instant."""
    while (left := (at - now()).total_seconds()) > 0:
        await asyncio.sleep(min(left, _LOOK_SECONDS))

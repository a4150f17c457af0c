"""The asking of one source's schools at one cut: `at_once` of them side by side, the slow ones beside the others.

A school that answered whole at the cut before is asked what changed since, if this cut does not read everything, and if
what is kept of that answer is there (`connectors.held`). Any other is read whole, and
asked what is gone since its last answer.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from connectors.contract import Source
from connectors.held import Held, HeldFolder
from connectors.runner import Outcome, Pulled
from connectors.snapshots.record import Asked, CutRecord, Ended, Recorder
from connectors.snapshots.schedule import Cut, Schedule
from connectors.source_pulls import SourcePulls
from rollcall.domain.clock import now

__all__ = ["BESIDE", "Answers", "Asking", "ended", "slow"]

log = structlog.get_logger()

#: A school that has not ended after this gives its place to the next (s), on top of what the rate limit takes.
_SLOW_SECONDS = 10.0
#: Requests that a school's day takes, about: code list, sessions, lessons, periods.
_REQUESTS_A_SCHOOL = 4
#: So many slow schools of a source go on beside the others; of more, the one that has taken longest is given up.
BESIDE = 256

_ENDED: dict[Outcome, Ended] = {"pulled": "answered", "incomplete": "failed", "failed": "failed", "stopped": "refused"}


@dataclass
class Answers:
    """The last answer of each school, over the cuts that are closed."""

    _last: dict[tuple[str, str], tuple[Cut, Asked]] = field(default_factory=dict)
    _cut: Cut | None = None

    def learn(self, record: CutRecord) -> None:
        """The next cut is closed. One that nobody has taken says nothing."""
        if record.begun:
            self._cut = record.cut
        self._last.update((place, (record.cut, one)) for place, one in record.schools.items() if one.has_answered)

    def of(self, source: str, school: Source) -> tuple[Asked, bool] | None:
        """The last answer of a school, and whether it was at the last cut; None when there is none of this URN."""
        cut, asked = self._last.get((source, school.id), (None, None))
        return None if asked is None or asked.urn != school.urn else (asked, cut == self._cut)


@dataclass
class Asking:
    """The asking of one source's schools at one cut. before: of earlier cuts. of: what is asked, make and address."""

    pulls: SourcePulls
    schedule: Schedule
    cut: Cut
    recorder: Recorder
    before: Answers
    kept: HeldFolder
    of: str
    slow_after: float
    _beside: OrderedDict[str, asyncio.Task[None]] = field(default_factory=OrderedDict)

    async def all(self, schools: Sequence[Source], at_once: int) -> None:
        """Ask them, `at_once` at a time, and wait for every end. Cancelled, whoever has no end by then is silent."""
        places = asyncio.Semaphore(at_once)
        async with asyncio.TaskGroup() as group:
            for school in schools:
                await places.acquire()
                group.create_task(self._in_place(school, places, group))

    async def _in_place(self, school: Source, places: asyncio.Semaphore, group: asyncio.TaskGroup) -> None:
        asking = group.create_task(self._ask(school))
        try:
            await asyncio.wait({asking}, timeout=self.slow_after)
        finally:
            places.release()
        if asking.done():
            return
        self._beside[school.id] = asking
        asking.add_done_callback(lambda _: self._beside.pop(school.id, None))
        if len(self._beside) > BESIDE:
            next(iter(self._beside.values())).cancel()

    async def _ask(self, school: Source) -> None:
        name, began = self.pulls.name, now()
        asked = Asked(name, school.id, school.urn, began)
        self.recorder.asked(name, school.id, began)
        seen, held = Pulled(school), self._held(school)
        label = self.schedule.label(self.cut)
        try:
            (seen,) = await self.pulls.pull([school], what="marks", snapshot=label, held={school.id: held})
        except asyncio.CancelledError:
            asked.ended_at, asked.outcome = now(), "silent"
            asked.why = f"no whole answer in {(now() - began).total_seconds():.0f} s: given up"
            self.recorder.ended(asked)
            return
        asked_and_ended = ended(name, seen, self.schedule.due(self.cut))
        asked_and_ended.asked_at = began
        if asked_and_ended.has_answered:
            asked_and_ended.held = len(held)
            asked_and_ended.digest, asked_and_ended.unread = self._keep(school, held), seen.refused
        self.recorder.ended(asked_and_ended)

    def _held(self, school: Source) -> Held:
        """What is known of the school's day, by its last answer."""
        found = self.before.of(self.pulls.name, school)
        if found is None:
            return Held()
        answer, at_the_last_cut = found
        records = self.kept.load(school.id, self._of(school), answer.digest)
        if records is None:
            return Held(since=answer.asked_at, known=False)
        whole = self.schedule.reads_whole(self.cut) or not at_the_last_cut or answer.unread > 0
        return Held(records, answer.asked_at, whole)

    def _keep(self, school: Source, held: Held) -> str:
        """Keep it for the next cut, before it is noted that the school has answered; '' when that cannot be."""
        try:
            return self.kept.keep(school.id, self._of(school), held.records)
        except OSError as error:
            log.warning("held_not_kept", connector=self.pulls.name, school=school.id, why=error.strerror)
            return ""

    def _of(self, school: Source) -> str:
        return f"{self.of} {school.id} {school.urn} {school.code_scheme}"


def slow(at_once: int, a_second: float) -> float:
    """After how many seconds a school is slow, of so many asked at the same time at so many requests a second."""
    return _SLOW_SECONDS + _REQUESTS_A_SCHOOL * at_once / a_second


def ended(name: str, pulled: Pulled, due: datetime) -> Asked:
    """How a school's pull counts at a cut."""
    at = now()
    outcome = _ENDED[pulled.outcome]
    if outcome == "answered" and at > due:
        outcome = "late"
    school = pulled.source
    marks, pages = pulled.marks, pulled.pages
    return Asked(name, school.id, school.urn, None, at, outcome, pulled.why, marks, pages, pulled.only_changes)

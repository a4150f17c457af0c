"""The asking of one source's schools at one cut: `at_once` of them side by side, the slow ones beside the others.

A school that answered whole at the cut before is asked what changed since, if this cut does not read everything, and if
what is kept of that answer is there (`connectors.held`). Any other is read whole, and
asked what is gone since its last answer; or, where an answer broke off after that, in which it may have said what is
gone by now, since then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from connectors.contract import Source
from connectors.held import Held, HeldFolder
from connectors.runner import Outcome, Pulled
from connectors.snapshots.beside import Beside
from connectors.snapshots.record import Asked, CutRecord, Ended, Recorder
from connectors.snapshots.schedule import Cut, Schedule
from connectors.source_pulls import SourcePulls
from rollcall.domain.clock import now

__all__ = ["Answers", "Asking", "ended", "slow"]

log = structlog.get_logger()

#: A school that has not ended after this gives its place to the next (s), on top of what the rate limit takes.
_SLOW_SECONDS = 10.0
#: Requests that a school's day takes, about: code list, sessions, lessons, periods.
_REQUESTS_A_SCHOOL = 4

_ENDED: dict[Outcome, Ended] = {"pulled": "answered", "incomplete": "failed", "failed": "failed", "stopped": "refused"}


@dataclass
class Answers:
    """The last answer of each school, over the cuts that are closed, and whether it may have said more since."""

    _last: dict[tuple[str, str], tuple[Cut, Asked]] = field(default_factory=dict)
    _in_part: dict[tuple[str, str], tuple[Cut, int]] = field(default_factory=dict)
    _cut: Cut | None = None

    def learn(self, record: CutRecord) -> None:
        """The next cut is closed. One that nobody has taken says nothing."""
        if record.begun:
            self._cut = record.cut
        for place, one in record.schools.items():
            if one.has_answered:
                self._last[place] = record.cut, one
                self._in_part.pop(place, None)
            elif one.in_part:
                self._in_part.setdefault(place, (record.cut, one.urn))

    def of(self, source: str, school: Source) -> tuple[Asked, bool] | None:
        """The last answer of a school, and whether it was at the last cut; None when there is none of this URN."""
        cut, asked = self._last.get((source, school.id), (None, None))
        return None if asked is None or asked.urn != school.urn else (asked, cut == self._cut)

    def in_part_since(self, source: str, school: Source) -> datetime | None:
        """Since when something that a school of this URN said may be known beyond its last answer; None: nothing is."""
        cut, urn = self._in_part.get((source, school.id), (None, None))
        return None if cut is None or urn != school.urn else cut.at


@dataclass
class Asking:
    """The asking of one source's schools at one cut. before: of earlier cuts. of: what is asked, make and address.
    beside: where slow ones go on, those of other sources too."""

    pulls: SourcePulls
    schedule: Schedule
    cut: Cut
    recorder: Recorder
    before: Answers
    kept: HeldFolder
    of: str
    slow_after: float
    beside: Beside
    _to_ask: deque[Source] = field(default_factory=deque)
    #: By school: it has been told to give way; and how its asking stood, of those that are to be asked again.
    _giving_way: set[str] = field(default_factory=set)
    _gave_way: dict[str, Asked] = field(default_factory=dict)
    _going_on: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def all(self, schools: Sequence[Source], at_once: int) -> None:
        """Ask them, `at_once` at a time, and wait for every end. Cancelled, whoever has no end by then is silent."""
        places = asyncio.Semaphore(at_once)
        self._to_ask.extend(schools)
        try:
            async with asyncio.TaskGroup() as group:
                while self._to_ask or self._going_on:
                    if not self._to_ask:
                        self._moved.clear()
                        await self._moved.wait()
                        continue
                    await places.acquire()
                    school = self._to_ask.popleft()
                    asking = group.create_task(self._ask(school))
                    self._going_on += 1
                    asking.add_done_callback(self._has_ended)
                    group.create_task(self._in_place(school, asking, places))
        finally:
            for asked in self._gave_way.values():
                self.recorder.ended(asked)

    def _has_ended(self, _: asyncio.Task[None]) -> None:
        self._going_on -= 1
        self._moved.set()

    async def _in_place(self, school: Source, asking: asyncio.Task[None], places: asyncio.Semaphore) -> None:
        try:
            await asyncio.wait({asking}, timeout=self.slow_after)
        finally:
            places.release()
        if not asking.done():
            self.beside.goes_on(asking, lambda: self._giving_way.add(school.id))

    async def _ask(self, school: Source) -> None:
        name, began = self.pulls.name, now()
        self.recorder.asked(name, school.id, began)
        before = self._gave_way.pop(school.id, None)
        held = self._held(school, in_part=before is not None and before.in_part)
        seen = [Pulled(school)]
        label = self.schedule.label(self.cut)
        try:
            of_school = {school.id: held}
            (pulled,) = await self.pulls.pull([school], what="marks", snapshot=label, held=of_school, done=seen.append)
            asked = ended(name, pulled, self.schedule.due(self.cut))
        except asyncio.CancelledError:
            why = f"no whole answer in {(now() - began).total_seconds():.0f} s: given up"
            asked = Asked(name, school.id, school.urn, None, now(), "silent", why, seen[-1].marks, seen[-1].pages)
        asked.asked_at = began
        if asked.has_answered:
            asked.held = len(held)
            asked.digest, asked.unread = self._keep(school, held), seen[-1].refused
        elif before is not None:
            asked.marks, asked.pages = asked.marks + before.marks, asked.pages + before.pages
        if asked.outcome == "silent" and school.id in self._giving_way:
            log.info("school_gives_way", connector=name, school=school.id, urn=school.urn)
            self._gave_way[school.id] = asked
            self._to_ask.append(school)
        else:
            self.recorder.ended(asked)
        self._giving_way.discard(school.id)

    def _held(self, school: Source, *, in_part: bool) -> Held:
        """What is known of the school's day, by its last answer. in_part: it gave way at this cut and had said some."""
        found = self.before.of(self.pulls.name, school)
        in_part_since = self.before.in_part_since(self.pulls.name, school) or (self.cut.at if in_part else None)
        if found is None:
            return Held(since=in_part_since, known=in_part_since is None)
        answer, at_the_last_cut = found
        records = self.kept.load(school.id, self._of(school), answer.digest)
        if records is None or in_part_since is not None:
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

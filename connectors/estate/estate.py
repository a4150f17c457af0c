"""The simulated estate: one seeded truth, and every way it can be told.

    estate = Estate.make(seed=1, schools=48, pupils=36_000, dates=[date(2025, 9, 10)], dirt=Dirt.default())
    estate.publish_reference(client, registry_url, refs)
    with estate.serve() as servers:               # every make that schools are pulled from, on loopback
        await estate.play(ingest_url, keys)       # posts registers tick by tick
    verdict = judge(...)                          # connectors.estate.judge

The truth never reads our tables. It depends on the seed alone, but for one thing: marks that are dated ahead lie after
the real today (`ahead_of`), because arrival decides what is ahead.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from connectors.estate import direct, posting, reference
from connectors.estate.day import close_site, draw_day
from connectors.estate.dirt import Dirt
from connectors.estate.makes import MIX
from connectors.estate.messages import PulledRecord, PupilRefs, Submission
from connectors.estate.pulled import write_records
from connectors.estate.pupils import Pupils, academic_year_of, make_pupils
from connectors.estate.registers import write_registers
from connectors.estate.schools import School, make_schools
from connectors.estate.script import TICKS, Calendar, EndKey, Script, code_maps, merge_ends
from connectors.estate.server import Serving
from connectors.estate.servers import Servers
from connectors.estate.upheavals import Upheavals
from rollcall.domain.codes import PROVISIONAL

__all__ = ["Acknowledged", "Estate"]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A submission that somebody said is in Kafka, and where."""

    submission: Submission
    topic: str
    partition: int
    offset: int | None


@dataclass
class Estate:
    """Schools, pupils, the script of their days, and what became of it so far. Make it with `Estate.make`."""

    seed: int
    schools: list[School]
    pupils: Pupils
    dates: list[date]
    ahead: date
    calendar: Calendar
    dirt: Dirt
    #: URNs of schools whose whole site is unexpectedly closed on every date (Y4).
    closed: frozenset[int] = frozenset()
    #: What changes at some of the schools on the day; set before the script is asked for.
    upheavals: Upheavals | None = None
    acknowledged: list[Acknowledged] = field(default_factory=list)
    played: set[int] = field(default_factory=set)
    records: dict[int, dict[str, PulledRecord]] = field(default_factory=dict)
    poison: list[direct.Poison] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: Told of each tick when it has happened: they write files.
    exports: list[Callable[[int], None]] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        seed: int = 1,
        schools: int = 48,
        pupils: int = 36_000,
        dates: Sequence[date] = (date(2025, 9, 10),),
        dirt: Dirt | None = None,
        *,
        ahead_of: date | None = None,
        feeds: str = "mixed",
        makes: Sequence[str] = MIX,
        few: str | None = None,
        closed: float = 0.0,
    ) -> Estate:
        """An estate of `schools` schools and exactly `pupils` pupils over the given school days.

        ahead_of: marks dated ahead lie a week after this day and after every date (default: today). feeds, makes
        and few: how marks travel (`make_schools`). closed: share of the schools whose site is closed, as by snow.
        Raises ValueError for a date on which schools are closed anyhow, and for a feed or a make that is none.
        """
        days = sorted(dates)
        after = max(days[-1], ahead_of or datetime.now(UTC).date()) + timedelta(days=7)
        calendar = Calendar.around(days[0], after)
        for day in days:
            if day.weekday() > 4 or not calendar.open(day):
                raise ValueError(f"{day} is no school day of the estate: take a weekday in term")
        made = make_schools(seed, schools, pupils, feeds, makes, few)
        return cls(
            seed=seed,
            schools=made,
            pupils=make_pupils(seed, made),
            dates=days,
            ahead=calendar.next_open(after),
            calendar=calendar,
            dirt=dirt or Dirt.none(),
            closed=frozenset(
                random.Random(f"{seed}/weather").sample([one.urn for one in made], round(closed * len(made)))
            ),
        )

    @cached_property
    def script(self) -> Script:
        """Who says what when, over all dates: four ticks a date."""
        whole = Script([], [])
        for day in self.dates:
            whole.extend(self._script_of(day))
        return whole

    @property
    def ticks(self) -> range:
        """All ticks, in order: four for each date."""
        return range(TICKS * len(self.dates))

    @cached_property
    def by_urn(self) -> dict[int, School]:
        """Schools by URN, one that became an academy by its old one too."""
        old = self.upheavals.predecessor if self.upheavals else None
        return {school.urn: school for school in [*self.schools, *([old] if old else [])]}

    def upns(self, school: School) -> list[str]:
        """Raw UPNs of a school's pupils, in order of their rows."""
        rows = np.arange(self.pupils.starts[school.index], self.pupils.starts[school.index + 1])
        return list(self.pupils.upns(self.schools, rows, academic_year_of(self.dates[0])).tolist())

    def publish_reference(
        self, client: Mapping[str, Any], registry_url: str, refs: PupilRefs, *, pulled_rosters: bool = False
    ) -> int:
        """Publish schools, calendars, expected registers, code maps and rosters (`reference.publish`)."""
        return reference.publish(self, client, registry_url, refs, pulled_rosters=pulled_rosters)

    @contextmanager
    def serve(
        self, host: str = "127.0.0.1", port: int = 0, token: str = "estate-token", folder: Path | None = None
    ) -> Iterator[Servers]:
        """Serve every make that schools are pulled from, until the block ends, each on its own port, from `port` on.

        folder: where exports are dropped, kept afterwards; None: one that is removed. The servers show what `advance`
        has made known so far.
        """
        with TemporaryDirectory(prefix="rollcall-estate-") as removed:
            servers = Servers(self, host, port, token, folder or Path(removed))
            try:
                yield servers
            finally:
                servers.close()

    def sources(self, servers: Mapping[str, Serving], secret: str = "env:ESTATE_TOKEN") -> list[dict[str, Any]]:
        """How the pulled schools are pulled: for each make its name, address, secret (by reference) and schools."""
        return [
            {
                "make": make,
                "name": make,
                "base_url": server.base_url,
                **({"secret": secret} if server.needs_secret else {}),
                "schools": [
                    {"id": school.source_id, "urn": school.urn, "code_scheme": school.pulled_scheme}
                    for school in server.schools.values()
                ],
                "options": server.options,
            }
            for make, server in servers.items()
        ]

    def advance(self, tick: int) -> int:
        """Let what happens at pulled schools in this tick happen, now, and those that export write their files; returns
        how many changes. Once per tick."""
        with self.lock:
            if tick in self.played:
                return 0
            self.played.add(tick)
            now = datetime.now(UTC)
            for change in self.script.changes[tick]:
                held = self.records.setdefault(change.urn, {})
                if change.new is not None:
                    change.new.sequence, change.new.updated_at = len(held), now
                    held[change.record_id] = change.new
                elif change.code is None:
                    held[change.record_id].deleted_at, held[change.record_id].been_gone = now, True
                else:
                    known = held[change.record_id]
                    known.code, known.updated_at, known.deleted_at = change.code, now, None
        for export in self.exports:
            export(tick)
        return len(self.script.changes[tick])

    async def play(
        self,
        ingest_url: str,
        keys: Mapping[str, str],
        *,
        ticks: Sequence[int] | None = None,
        concurrency: int = 16,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Play ticks (default: all not played): what pulled schools change, then the registers that others post.

        ingest_url: base of the ingest API. keys: API key by source. Each submission is sent until it is acknowledged;
        one school's in their order, `concurrency` schools at once. Returns how many were acknowledged.
        Raises SourceError when the API refuses one, or does not take it for minutes.
        """
        sent = 0
        for tick in self._open_ticks(ticks):
            self.advance(tick)
            submissions = self.script.submissions[tick]
            sent += await posting.post_all(self, submissions, ingest_url, keys, concurrency, progress)
        return sent

    def produce_direct(
        self,
        client: Mapping[str, Any],
        registry_url: str,
        refs: PupilRefs,
        *,
        ticks: Sequence[int] | None = None,
        page: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Put the same submissions, and pages of what pulled schools change, straight on the topics: loads without
        HTTP. Returns how many messages."""
        sent = 0
        for tick in self._open_ticks(ticks):
            self.advance(tick)
            sent += direct.produce(self, tick, client, registry_url, refs, page, progress)
        return sent

    def put_poison(self, client: Mapping[str, Any], registry_url: str) -> int:
        """Put one message of each kind that cannot be taken in straight on the topics (`direct.put_poison`)."""
        return direct.put_poison(self, client, registry_url)

    def _open_ticks(self, ticks: Sequence[int] | None) -> list[int]:
        return [tick for tick in (self.ticks if ticks is None else ticks) if tick not in self.played]

    def _script_of(self, day: date) -> Script:
        script = Script()
        truth = draw_day(self.seed, self.pupils, day)
        if self.closed:
            closed = [school.index for school in self.schools if school.urn in self.closed]
            truth = close_site(truth, np.isin(self.pupils.school, closed))
        posted: dict[EndKey, str] = {}
        pulled: dict[EndKey, str] = {}
        for school in self.schools:
            if school.posts:
                rows = self.pupils.of(school)
                refs = self.upns(school) if school.pupil_scheme == "upn" else [self.pupils.mis_id(row) for row in rows]
                posted |= write_registers(
                    self.seed, school, self.pupils, refs, truth, self.dirt, self.calendar, self.ahead, script
                )
            if school.pulled:
                pulled |= write_records(self.seed, school, self.pupils, truth, self.dirt, self.ahead, script)
        definite = [entry.raw_code for entry in self._definite(day)]
        script.end = merge_ends(posted, pulled, definite)
        if self.upheavals is not None:
            self.upheavals.rewrite(self, day, script.end, script.submissions)
        return script

    def _definite(self, day: date) -> list[Any]:
        entries = {entry for entries in code_maps(self.schools).values() for entry in entries}
        return [
            entry
            for entry in entries
            if entry.canonical_code not in (PROVISIONAL, "-") and (entry.valid_to is None or day <= entry.valid_to)
        ]

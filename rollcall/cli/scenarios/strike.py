"""A strike day, rehearsed: hours shortened to seconds, schools in trouble, the puller killed, and all of it judged.

The processes are the real ones (`rollcall snapshot run`, `worker`, `reference run`) on a stack of their own. Only the
estate, which plays the schools and their MIS, lives in this process: it alone knows who was in trouble, what was
served to whom, and so what coverage and differences must be.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.pupils import UpnKey
from connectors.snapshots.record import CutRecord, folder_of, load, read
from connectors.snapshots.schedule import Cut
from connectors.sources_file import SourcesFile
from rollcall.cli.reconcile import watermarks
from rollcall.cli.scenarios.ground import Gauge, define, lay, sources_of
from rollcall.cli.scenarios.processes import Command, wait_until
from rollcall.cli.scenarios.strike_judge import Judgement, judge_strike
from rollcall.cli.scenarios.strike_mis import TROUBLES, Hours, StrikeServer
from rollcall.domain.clock import LONDON, now
from rollcall.errors import StackError
from rollcall.open_files import may_open
from rollcall.settings import Settings
from rollcall.stack import EmbeddedStack
from sinks.clickhouse import connect
from sinks.reconcile import reconcile
from sinks.verify import verify

__all__ = ["Found", "Plan", "Teller", "rehearse_on"]

DAY = date(2025, 9, 10)
NAME = "strike"
_TOKEN = "estate-token"
#: Of a snow morning: schools that are closed and say so (Y4), and schools of which nothing is heard until the last cut,
#: which stands for noon; as shares. Of 2,000 schools 300 and 100.
_CLOSED, _OFFLINE = 0.15, 0.05
#: From the start of the snapshot's process to its first cut (s): it must be there.
_LEAD_S = 6.0
_PATIENCE_S = 300.0
#: For what is of a size, beyond that: a second for so many pupils.
_PUPILS_A_SECOND = 1_000
#: So long before a cut its hour begins (s).
_BEFORE_S = 0.4
#: How often it is asked whether everything is taken in (s).
_LOOK_S = 0.25
#: How far before its last answer a school is asked what changed (s): its clock is ours, and an hour is of seconds.
_OVERLAP_S = 2
#: Schools asked at the same time, at least: of a small estate more than are in trouble, or the rest waits for the
#: silent ones to give up their places, which is longer than a cut that is shortened to seconds. Of a large one, one in
#: so many, and as many as this machine answers within seconds: who takes longer gives up its place, and more begin.
_AT_ONCE, _AT_ONCE_OF, _AT_ONCE_MOST = 16, 50, 256
#: How often a cut's notes are read while it is taken: the cut's length through this. They are long in a large estate,
#: and its MIS serves from this very process.
_LOOKS = 400


class Teller(Protocol):
    """Who is told how it goes."""

    def step(self, what: str) -> None:
        """A new part of the run begins."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to rehearse. every, deadline: seconds. snow: some schools are closed, others offline until the last cut.
    whole: everything is read at each cut; else only the first and the last. one_in: of so many schools one is in each
    kind of trouble at each cut. beside: how many slow schools go on beside the others; None: as there is room.
    """

    home: Path
    schools: int = 12
    pupils: int = 1_200
    cuts: int = 3
    every: float = 20.0
    deadline: float = 7.0
    seed: int = 1
    snow: bool = False
    whole: bool = False
    one_in: int = 50
    beside: int | None = None

    @property
    def at_once(self) -> int:
        """Schools asked at the same time."""
        return min(_AT_ONCE_MOST, max(_AT_ONCE, self.schools // _AT_ONCE_OF))

    @property
    def patience(self) -> float:
        """How long what takes as long as there are pupils may take (s)."""
        return _PATIENCE_S + self.pupils / _PUPILS_A_SECOND

    @property
    def look(self) -> float:
        """Seconds between two looks at a cut's notes."""
        return self.every / _LOOKS


@dataclass
class Found:
    """What came of it. gap: what reconcile cannot account for; differences: rows that the history says otherwise."""

    judgement: Judgement
    cuts: list[dict[str, Any]]
    gap: int
    differences: int
    kills: int
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether everything is as the estate knows that it must be."""
        return not self.judgement.wrong and not self.gap and not self.differences

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall snapshot rehearse --json`."""
        return {
            "equal": self.equal,
            "wrong": self.judgement.wrong,
            "compared": self.judgement.compared,
            "gap": self.gap,
            "verify": self.differences,
            "standing": dict(self.judgement.standing.most_common()),
            "kills": self.kills,
            "cuts": self.cuts,
            "seconds": round(self.seconds, 1),
        }

    def lines(self) -> Iterator[str]:
        """The same for a person."""
        from rollcall.cli._coverage import line

        for cut in self.cuts:
            yield line(cut)
            half, most, last = cut["answered_after_s"]
            yield f"          in time: half by {half:.0f} s, nine in ten by {most:.0f} s, the last by {last:.0f} s"
        compared = ", ".join(f"{count:,} {what}" for what, count in self.judgement.compared.items())
        yield f"compared with the estate: {compared}: {len(self.judgement.wrong)} wrong"
        yield from (f"  {line}" for line in self.judgement.wrong[:20])
        standing = self.judgement.standing
        yield f"marks that stand in the end: {standing.total():,}, of them {standing['Y4']:,} Y4"
        yield f"reconcile: gap {self.gap}; verify: {self.differences} differences; kills: {self.kills}"
        yield f"{self.seconds:.0f} seconds"


def rehearse_on(plan: Plan, teller: Teller) -> Found:
    """Rehearse it on a stack in `plan.home`. Raises RollcallError when a part cannot be started, ends or hangs."""
    began = time.monotonic()
    may_open()  # every connection of the puller has its other end here
    with _Rehearsal(plan).running(teller) as rehearsal:
        teller.step("The day, cut by cut")
        rehearsal.play()
        teller.step("Marks taken in and derived")
        rehearsal.gauge.drain(plan.patience, rehearsal.check)
        teller.step("Everything against what the estate knows")
        found = rehearsal.judged()
    found.seconds = time.monotonic() - began
    return found


class _Rehearsal:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = random.Random(f"{plan.seed}/strike")
        self.commands: list[Command] = []
        self.hours: list[Hours] = []

    @contextmanager
    def running(self, teller: Teller) -> Iterator[_Rehearsal]:
        """Everything but the snapshot runs, and what is known of schools and pupils is applied."""
        teller.step("A stack, schools and rosters")
        stack = EmbeddedStack(self.plan.home)
        try:
            stack.up()
            self.settings = Settings.load(home=stack.home)
            lay(self.settings)
            dirt = Dirt(
                missing_register=0.1, local_code=0.5, unknown_code=0.004, unknown_pupil=0.004, withdrawal=0.02,
                withdrawn_code=0.002, twice_equal=0.003, deletion=0.02,
            )  # fmt: skip
            self.estate = Estate.make(
                self.plan.seed,
                self.plan.schools,
                self.plan.pupils,
                [DAY],
                dirt,
                feeds="wonde",
                closed=_CLOSED if self.plan.snow else 0.0,
            )
            self.server = StrikeServer(self.estate, _TOKEN)
            self.client = connect(self.settings.clickhouse)
            self.gauge = Gauge(self.settings, self.client)
            self.start("reference", "reference", "run")
            refs, kafka = UpnKey.of(self.settings).reference, self.settings.kafka.client_config()
            self.estate.publish_reference(kafka, self.settings.registry.url, refs, pulled_rosters=True)
            wait_until("reference data", self.gauge.reference_applied, self.plan.patience, self.commands, 0.2)
            self.start("worker", "worker").hear("partitions_assigned", self.plan.patience)
            define(self.settings, sources_of(self.estate, {self.server.make: self.server}))
            yield self
        finally:
            for command in reversed(self.commands):
                command.kill()
            if hasattr(self, "gauge"):
                self.gauge.close()
                self.server.close()
            stack.down()

    def start(self, name: str, *arguments: str) -> Command:
        """Start `rollcall <arguments>`."""
        command = Command(name, arguments, self.settings.home, {"ESTATE_TOKEN": _TOKEN})
        self.commands.append(command)
        return command

    def check(self) -> None:
        """Raises StackError when something that should run has ended."""
        for command in self.commands:
            command.check()

    # ---- the day

    def play(self) -> None:
        """Cuts, each after an hour of the estate's day; in the second the puller is killed at a school."""
        self._draw_trouble()
        revoked = self.estate.schools[-1]
        SourcesFile(self.settings.sources_file).revoke("wonde", None, revoked.urn, "left the trust", now())
        order, look = self._order(), self.plan.look
        self._begin_hour(0, now())  # the process may be there only when its first cut begins
        taking = self.start("snapshot", *order)
        wait_until("the snapshot", lambda: (folder_of(self.settings, NAME) / "plan.json").exists(), _PATIENCE_S)
        schedule = load(self.settings, NAME).schedule
        self.cuts = schedule.cuts
        for number, cut in enumerate(self.cuts):
            if number:
                self._begin_hour(number, cut.at)
            self.hours[number].due = cut.at + timedelta(seconds=self.plan.deadline)
            if number == 1:
                self.hours[number].reached.wait(self.plan.every)
                wait_until("an answer before the kill", self._some_answered(cut), _PATIENCE_S, every=look)
                taking.kill()
                self.commands.remove(taking)
                self.hours[number].killed.set()
                taking = self.start("snapshot-again", *order)
            patience = self.plan.every + _PATIENCE_S
            wait_until(f"the end of {cut.label}", self._over(cut), patience, self.commands, look)
            # What came in time is taken in before the slow are late: a batch of both would be known at one instant. But
            # they need time to answer, and where the machine is slow, others come late all the while.
            closes = schedule.closes(cut)
            self._taken_in(now() + (closes - now()) / 2)
            self.hours[number].late.set()
            if number + 1 < len(self.cuts):
                self._wait_for(self.cuts[number + 1], cut)
        self.commands.remove(taking)
        taking.wait(self.plan.deadline + _PATIENCE_S)  # late answers to the last cut are waited for as long again

    def _begin_hour(self, number: int, at: datetime) -> None:
        self.server.begin(self.hours[number], at)
        self.estate.advance(number)

    def _taken_in(self, until: datetime) -> bool:
        """Wait until all that came is taken in, or until an instant; whether it is."""
        while self.gauge.taken().waiting:
            self.check()
            if now() > until:
                return False
            time.sleep(_LOOK_S)
        return True

    def _wait_for(self, cut: Cut, before: Cut) -> None:
        """Until shortly before a cut. Raises StackError when a school that can answer at the cut before it has not by
        then, or what came is not taken in: who was in which trouble at which of the two, nobody could say."""
        taken_in = self._taken_in(cut.at)
        began = now()
        self._record(before)
        takes = (now() - began).total_seconds()  # seconds, for the nation's schools
        _sleep_until(cut.at, _BEFORE_S + 2 * takes)
        trouble = self.hours[self.cuts.index(before)].of
        schools = self._record(before).schools
        _sleep_until(cut.at, _BEFORE_S)
        able = [one for (_, school), one in schools.items() if trouble.get(school) in (None, "dies", "slow")]
        left = sum(one.outcome is None for one in able)
        late = "" if now() < cut.at else ", and it had begun when that was known"
        if left or late or not taken_in:
            raise StackError(
                f"when {cut.label} began, {left:,} of {len(able):,} schools that can had not answered at {before.label}"
                f"{'' if taken_in else ', and what came was not taken in'}{late}: "
                "this machine wants fewer --schools, or a longer --every and --deadline"
            )

    def _order(self) -> list[str]:
        """The command, and its cuts: they begin when the process is there, and all lie on one day."""
        plan = self.plan
        length = timedelta(seconds=_LEAD_S + plan.every * plan.cuts + plan.deadline)
        while now().astimezone(LONDON).date() != (now() + length).astimezone(LONDON).date():
            time.sleep(1.0)
        first = now() + timedelta(seconds=_LEAD_S)
        last = first + timedelta(seconds=plan.every * (plan.cuts - 1))
        at = [f"{one.astimezone(LONDON):%H:%M:%S}" for one in (first, last)]
        return [
            "snapshot", "run", "--name", NAME, "--every", f"{plan.every:g}s", "--from", at[0], "--until", at[1],
            "--deadline", f"{plan.deadline:g}s", "--date", DAY.isoformat(), "--today", DAY.isoformat(), "--at-once",
            str(plan.at_once), "--overlap", f"{_OVERLAP_S}", "--json", *(["--whole"] if plan.whole else []),
            *([] if plan.beside is None else ["--beside", str(plan.beside)]),
        ]  # fmt: skip

    def _draw_trouble(self) -> None:
        """Who is in trouble at which cut. At the last nobody is for ever: it ends with the last answer."""
        ids = [school.source_id for school in self.estate.schools[:-1]]
        offline = self._offline(ids)
        ids = [one for one in ids if one not in offline]
        each = max(1, len(ids) // self.plan.one_in)
        for number in range(self.plan.cuts):
            drawn = self.random.sample(ids, each * len(TROUBLES) + 1)
            last = number == self.plan.cuts - 1
            hours = Hours()
            for place, kind in enumerate(TROUBLES):
                if not (last and kind in ("broken", "silent", "stalling")):
                    hours.of |= dict.fromkeys(drawn[place * each : (place + 1) * each], kind)
            if number == 1:
                hours.of[drawn[-1]] = "dies"
            if not last:
                hours.of |= dict.fromkeys(offline, "offline")
            self.hours.append(hours)

    def _offline(self, ids: Sequence[str]) -> list[str]:
        """Of whom nothing is heard before the last cut: open schools, on a snow morning."""
        if not self.plan.snow:
            return []
        closed = {school.source_id for school in self.estate.schools if school.urn in self.estate.closed}
        return self.random.sample([one for one in ids if one not in closed], max(1, round(_OFFLINE * len(ids))))

    def _record(self, cut: Cut) -> CutRecord:
        return read(folder_of(self.settings, NAME), cut)

    def _some_answered(self, cut: Cut) -> Callable[[], bool]:
        return lambda: any(school.has_answered for school in self._record(cut).schools.values())

    def _over(self, cut: Cut) -> Callable[[], bool]:
        return lambda: self._record(cut).over_at is not None

    # ---- what came of it

    def judged(self) -> Found:
        """Coverage, differences, history and receipts, against what the estate knows."""
        from rollcall.cli._coverage import coverage

        snapshot = load(self.settings, NAME)
        troubles = [hours.of for hours in self.hours]
        judgement = judge_strike(self.estate, self.client, snapshot, troubles, self.server.told)
        account = reconcile(self.client, self.settings.worker.group, watermarks(self.settings.kafka), drained=True)
        rebuilt = verify(self.client)
        cuts = [{**coverage(snapshot, record), "answered_after_s": _pace(record)} for record in snapshot.cuts]
        return Found(judgement, cuts, account.gap, sum(one.rows for one in rebuilt.differences), 1, 0.0)


def _sleep_until(instant: datetime, before_s: float) -> None:
    time.sleep(max(0.0, (instant - now()).total_seconds() - before_s))


def _pace(record: CutRecord) -> list[float]:
    """Seconds from the cut until half, nine in ten and all had answered of the schools that did in time."""
    ended = [one.ended_at for one in record.schools.values() if one.outcome == "answered" and one.ended_at]
    after = sorted((at - record.cut.at).total_seconds() for at in ended) or [0.0]
    return [round(after[min(len(after) - 1, int(part * len(after)))], 1) for part in (0.5, 0.9, 1.0)]

"""The demo's day: a trust's school day through real processes, from its sources to the answer and its proofs.

The order of things, as an operator would do them by hand:

    rollcall up, migrate, schemas register, topics apply     the ground
    rollcall sources import, pull --every 1, reference run   schools, rosters, timetables, code maps: before any mark
    rollcall worker, ingest run, agents run kiosk            then the day itself, in four ticks
    rollcall reconcile, verify, report day                   what came of it

Only the estate, which plays the schools, lives in this process: it alone knows the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from connectors.estate.dirt import Dirt
from connectors.estate.estate import Estate
from connectors.estate.judge import judge
from connectors.estate.makes import FEW, TRUST
from connectors.estate.servers import Servers
from connectors.estate.upheavals import Upheavals
from connectors.pupils import UpnKey
from rollcall.cli.scenarios.answers import ask
from rollcall.cli.scenarios.found import Found
from rollcall.cli.scenarios.front_desk import FrontDesk
from rollcall.cli.scenarios.ground import (
    Gauge,
    Taken,
    clear,
    define,
    lay,
    pulled_since,
    rounds,
    sender_keys,
    sources_of,
)
from rollcall.cli.scenarios.processes import Command, remember, stop_remembered, wait_until
from rollcall.cli.scenarios.settled import settle, still
from rollcall.cli.scenarios.upheaval import Upheaval
from rollcall.domain.clock import now
from rollcall.errors import StackError, UsageError
from rollcall.settings import Settings
from rollcall.stack import EmbeddedStack, StackOptions
from rollcall.stack.home import port_is_free, write_atomically
from sinks.clickhouse import connect

__all__ = ["Day", "Plan", "Teller", "surroundings"]

#: Says that everything in a folder was made by a demo, so that the next one may clear it.
_MARK = "demo.json"
#: Kept when a folder is cleared: the ports, so that addresses stay the same from demo to demo.
_KEPT = frozenset({"ports.json", "stack.lock", _MARK})
_TOKEN = "estate:token"
#: Where schools that only export drop their files.
_EXPORTS = "exports"
#: Before which tick kiosks tell of the morning (False), and of the afternoon.
_SIGN_INS = {0: False, 2: True}
_AFTERNOON = 2
#: How far pulls reach back (s). The default of 120 would read the whole demo again each time.
_OVERLAP_S = 3
_START_S, _REFERENCE_S, _DRAIN_S = 60.0, 120.0, 180.0


class Teller(Protocol):
    """Who is told how it goes."""

    def step(self, what: str) -> None:
        """A new part of the run begins."""

    def amount(self, done: int, total: int | None = None) -> None:
        """How far the part is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play."""

    home: Path
    schools: int = 48
    pupils: int = 36_000
    seed: int = 1
    day: date = date(2025, 9, 10)


class Day:
    """One run of the demo: `with Day(plan, teller) as day: found = day.play()`; what it started ends unless kept."""

    def __init__(self, plan: Plan, teller: Teller) -> None:
        self.plan, self._teller = plan, teller
        self.stack = EmbeddedStack(plan.home, StackOptions(kafka_brief=True))
        self.commands: list[Command] = []
        self.ingest_url = ""
        self.settings = Settings.load(home=plan.home)
        #: Whether the stack is ours to stop: it did not run, or a demo had started it.
        self._ours = False
        self._seconds: dict[str, float] = {}
        #: When the afternoon began, of the real day.
        self._noon: datetime | None = None

    def keep(self) -> None:
        """Let what serves go on: the stack, ingest API, worker, kiosk agent, loader. `rollcall down` ends it."""
        remember(self.stack.home, self.commands)
        self.commands, self._ours = [], False

    def __enter__(self) -> Day:
        return self

    def __exit__(self, *_: object) -> None:
        for command in reversed(self.commands):
            command.stop()
        if self._ours:
            self.stack.down()

    def play(self) -> Found:
        """The whole day. Raises RollcallError when a part cannot be started, ends by itself or hangs."""
        plan = self.plan
        with ThreadPoolExecutor(1) as beside:
            drawing = beside.submit(_draw, plan)
            with self._part("Kafka, schema registry, ClickHouse"):
                self._fresh_ground()
                estate = drawing.result()
        refs = UpnKey.of(self.settings).reference
        client = connect(self.settings.clickhouse)
        gauge = Gauge(self.settings, client)
        try:
            with estate.serve(token=_TOKEN, folder=self.stack.home / _EXPORTS) as servers:
                with self._part("Schools, rosters, timetables, codes"):
                    loader = self._start("reference", "reference", "run")
                    pulling, sources = self._start_pulls(sources_of(estate, servers))
                    ingest = self._start_ingest()
                    upheaval = Upheaval(self.settings, estate, refs, client, gauge, self.commands)
                    estate.publish_reference(self.settings.kafka.client_config(), self.settings.registry.url, refs)
                    keys = sender_keys(self.settings, estate)
                    wait_until("rosters", lambda: all(rounds(pulling, sources).values()), _REFERENCE_S, self.commands)
                    wait_until("the reference loader", gauge.reference_applied, _REFERENCE_S, self.commands, 0.2)
                with self._part("The day: registers posted, MIS pulled, sign-ins"):
                    self._start("worker", "worker")
                    self._start("kiosk", "agents", "run", "kiosk")
                    desk = FrontDesk(self.settings, estate, refs, plan.day)
                    self.ingest_url = ingest.hear(r"ingest API: (\S+)", _START_S)[1]
                    posted = self._post(estate, keys, desk, upheaval)
                    pulls = self._last_pull(pulling, sources, servers)
                with self._part("Marks taken in and derived"):
                    wait_until("the kiosk agent", lambda: desk.done(gauge), _DRAIN_S, self.commands, 0.2)
                    upheaval.done()
                    settle(self.settings, client, gauge, _DRAIN_S, self._check, self._tell_taken)
            with still(loader):
                gauge.drain(_DRAIN_S, self._check)
                found = self._judge(estate, client, refs, posted, pulls, desk)
        finally:
            gauge.close()
            client.close()
        found.seconds = self._seconds
        return found

    # ---- the ground

    def _fresh_ground(self) -> None:
        home = self.stack.home
        self._ours = (home / _MARK).exists() or not self.stack.pids()
        if (home / _MARK).exists():
            stop_remembered(home, grace_s=0)  # what they have in hand goes anyway
            for service in list(self.stack.pids()):
                self.stack.kill(service)  # its data goes anyway
            clear(home, _KEPT)
        self.stack.up()
        self.settings = Settings.load(home=home)
        lay(self.settings)
        if not (home / _MARK).exists():
            self._refuse_used_ground()
        write_atomically(home / _MARK, json.dumps({"seed": self.plan.seed, "schools": self.plan.schools}) + "\n")

    def _refuse_used_ground(self) -> None:
        client = connect(self.settings.clickhouse)
        gauge = Gauge(self.settings, client)
        try:
            if not gauge.empty() or self.settings.sources_file.exists():
                raise UsageError(
                    f"{self.plan.home} holds data that no demo made, and a demo needs an empty stack: "
                    "give it a folder of its own with --home"
                )
        finally:
            gauge.close()
            client.close()

    # ---- processes

    def _start(self, name: str, *arguments: str, **environment: str) -> Command:
        command = Command(name, arguments, self.stack.home, environment)
        self.commands.append(command)
        return command

    def _start_ingest(self) -> Command:
        wished = self.settings.ingest.port
        return self._start("ingest", "ingest", "run", "--port", str(wished if port_is_free(wished) else 0))

    def _start_pulls(self, document: dict[str, Any]) -> tuple[Command, list[str]]:
        sources = define(self.settings, document)
        pulls = self._start(
            "pull", "pull", "--every", "1", "--overlap", str(_OVERLAP_S), "--json", "--today",
            self.plan.day.isoformat(), ESTATE_TOKEN=_TOKEN,
        )  # fmt: skip
        return pulls, sources

    def _check(self) -> None:
        for command in self.commands:
            command.check()

    # ---- the day

    def _post(self, estate: Estate, keys: dict[str, str], desk: FrontDesk, upheaval: Upheaval) -> int:
        total = sum(len(submissions) for submissions in estate.script.submissions)
        posted = 0

        def one(number: int) -> None:
            nonlocal posted
            posted += number
            self._teller.amount(posted, total)

        for tick in estate.ticks:
            upheaval.before(tick)
            if tick == _AFTERNOON:
                self._noon = now()
            if tick in _SIGN_INS:
                desk.publish(afternoon=_SIGN_INS[tick])
            asyncio.run(estate.play(self.ingest_url, keys, ticks=[tick], progress=one))
            if tick == 1:
                estate.put_poison(self.settings.kafka.client_config(), self.settings.registry.url)
            self._check()
        return posted

    def _last_pull(self, pulls: Command, sources: list[str], servers: Servers) -> int:
        """Wait for a round that began after the last change, then end the pulls: the MIS ends with this process.

        Where nothing else tells what is gone, the day is then pulled whole, as an operator's night does (rule 18).
        """
        begun = rounds(pulls, sources)

        def over() -> bool:
            return not servers.waiting and pulled_since(pulls, begun)

        wait_until("the last pull", over, _REFERENCE_S, self.commands)
        pulls.stop()
        self.commands.remove(pulls)
        asked = [option for make, one in servers.items() if one.asked_whole for option in ("--source", make)]
        if asked:
            day = self.plan.day.isoformat()
            whole = self._start(
                "pull-whole", "pull", *asked, "--window", day, day, "--today", day, "--what", "marks",
                ESTATE_TOKEN=_TOKEN,
            )  # fmt: skip
            self.commands.remove(whole)
            if whole.wait(_REFERENCE_S):
                raise StackError(f"the pull of the whole day left with {whole.exit_code} (log: {whole.log})")
        return min(rounds(pulls, sources).values())

    def _tell_taken(self, taken: Taken) -> None:
        self._teller.amount(taken.marks, None if taken.waiting else taken.marks)

    # ---- what came of it

    def _judge(
        self, estate: Estate, client: Any, refs: Any, posted: int, pulls: int, desk: FrontDesk
    ) -> Found:  # fmt: skip
        settings, urn = self.settings, estate.schools[0].urn
        assert self._noon is not None  # the afternoon was played
        # The judge reads topics and computes; the answers are ClickHouse's work.
        with self._part("The proofs, and the answer"), ThreadPoolExecutor(1) as beside:
            asking = beside.submit(ask, settings, self.plan.day, desk, urn, self._noon)
            verdict = judge(
                estate, client, settings.kafka.client_config(), settings.registry.url, refs, group=settings.worker.group
            )
            asked = asking.result()
        verdict.tables |= asked.desks.findings
        makes = dict(Counter(school.make if school.pulled else "ingest API" for school in estate.schools))
        return Found(verdict, asked, posted, pulls, makes)

    @contextlib.contextmanager
    def _part(self, what: str) -> Iterator[None]:
        self._teller.step(what)
        began = time.monotonic()
        yield
        self._seconds[what] = time.monotonic() - began


def _draw(plan: Plan) -> Estate:
    try:
        estate = Estate.make(plan.seed, plan.schools, plan.pupils, [plan.day], Dirt.default(), makes=TRUST, few=FEW)
        estate.upheavals = Upheavals.at(estate, without=[school.urn for school in FrontDesk.schools(estate)])
    except ValueError as error:
        raise UsageError(str(error)) from None
    estate.script  # noqa: B018 - drawn here, beside the start of the stack
    return estate


def surroundings(home: Path) -> str:
    """What to put before a command so that it finds a stack that is not in the usual folder."""
    return "" if home.absolute() == (Path.cwd() / ".rollcall") else f"ROLLCALL_HOME={home} "

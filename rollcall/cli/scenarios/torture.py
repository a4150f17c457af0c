"""The torture: kills at every fail point, zombies, crashes of every part, and what the judge says after each.

A scenario is a function of the arena and of how often it kills; it leaves nothing unread and no worker running.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from rollcall.cli.scenarios import changed
from rollcall.cli.scenarios.arena import Arena
from rollcall.cli.scenarios.ground import define, pulled_since, rounds, sender_keys, sources_of
from rollcall.cli.scenarios.processes import Command, wait_until
from rollcall.errors import UsageError
from rollcall.failpoints import FAIL_POINTS
from rollcall.stack.home import free_port

__all__ = ["FAULTS", "Row", "chosen", "ticks_needed", "torture"]

_START_S = 120.0
_TOKEN = "estate-token"


@dataclass
class Row:
    """One line of the table: what the judge found after this scenario that it had not found before."""

    point: str
    kills: int
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    #: Messages and marks that `reconcile` cannot account for, and rows that `verify` rebuilds otherwise.
    gap: int = 0
    differences: int = 0
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)

    @property
    def harmless(self) -> bool:
        """All 0."""
        return not (self.lost or self.duplicated or self.wrong or self.gap or self.differences)

    def as_json(self) -> dict[str, Any]:
        """An element of `rollcall torture --json`."""
        return {**asdict(self), "seconds": round(self.seconds, 1)}


# ---- a worker dies at a fail point


def kill_at(arena: Arena, point: str, kills: int) -> None:
    """SIGKILL at the fail point, again and again; each successor is armed as well and finds what the last one left."""
    for _ in range(kills):
        if point.startswith("recovery."):
            arena.die_at("history.written")
        # A later pass of some: then ranges that are DONE stand beside the one that is not.
        arena.die_at(point, 1 if point == "epoch.claimed" else arena.random.choice((1, 1, 2)))


def finish(arena: Arena) -> None:
    """A worker that nobody kills takes what is left."""
    with arena.working():
        arena.drain()


# ---- two workers in a group


def join_and_leave(arena: Arena, kills: int) -> None:
    """A second worker joins under load and the first leaves under load: nothing dies, partitions move twice."""
    for _ in range(kills):
        first = arena.worker()
        arena.load()
        first.hear("partitions_assigned", _START_S)
        second = arena.worker()
        arena.load()
        second.hear("partitions_assigned", _START_S)
        arena.load()
        arena.stop(first)
        arena.drain()
        arena.stop(second)


def kill_one_of_two(arena: Arena, kills: int) -> None:
    """kill -9 of one of two workers, at any moment of its work; the other takes its partitions over."""
    with arena.working(1):
        for _ in range(kills):
            victim = arena.worker()
            arena.load()
            victim.hear("partitions_assigned", _START_S)
            arena.load()
            time.sleep(arena.random.uniform(0.0, 0.8))
            arena.kill(victim)
            arena.drain()


#: Where zombies stand still: before, between and after what they write.
_ZOMBIES = (
    "history.before",
    "quarantine.written",
    "derive.before",
    "pending.before",
    "derive.counts_written",
    "history.written",
)


def zombie(arena: Arena, kills: int) -> None:
    """A worker stands still in the middle of its work until the group has moved on, then goes on and writes late."""
    for nth in range(kills):
        sleeper = arena.stand_still_at(_ZOMBIES[nth % len(_ZOMBIES)])
        arena.commands.remove(sleeper)  # stopped, not dead: not asked whether it runs
        try:
            with arena.working():
                arena.drain()
                arena.load()
                sleeper.signal(signal.SIGCONT)
                # It learns that it was replaced, and joins again as a new member.
                wait_until("the zombie's return", partial(_came_back, sleeper), _START_S, [sleeper])
                arena.load()
                arena.drain()
        finally:
            sleeper.signal(signal.SIGCONT)
            sleeper.stop()


def _came_back(sleeper: Command) -> bool:
    return sleeper.said.count("partitions_assigned") >= 2


# ---- a part of the stack dies


def kill_clickhouse(arena: Arena, kills: int) -> None:
    """kill -9 of ClickHouse while a worker starts or writes; the worker waits for it, and never ends by itself."""
    for _ in range(kills):
        with arena.working():
            arena.load()
            time.sleep(arena.random.uniform(0.0, 1.0))
            arena.stack.kill("clickhouse")
            arena.load()
            arena.stack.up()
            arena.drain()


def kill_kafka(arena: Arena, kills: int) -> None:
    """kill -9 of Kafka while registers are posted, schools are pulled and a worker takes marks in."""

    def crash(_ingest: Command, _pulls: Command) -> None:
        arena.stack.kill("kafka")
        time.sleep(arena.random.uniform(0.0, 1.0))
        arena.stack.up()

    for _ in range(kills):
        _crash_while_posting(arena, crash)


def kill_ingest(arena: Arena, kills: int) -> None:
    """kill -9 of the ingest API while registers are posted to it; senders send again until they are answered."""

    def crash(ingest: Command, _pulls: Command) -> None:
        arena.kill(ingest)
        arena.start(ingest.name, *ingest.arguments)

    for _ in range(kills):
        _crash_while_posting(arena, crash)


def kill_connector(arena: Arena, kills: int) -> None:
    """kill -9 of the pulls in the middle of a round; they go on from their cursors, and skip no page."""

    def crash(_ingest: Command, pulls: Command) -> None:
        arena.kill(pulls)
        arena.start(pulls.name, *pulls.arguments, **pulls.environment)

    for _ in range(kills):
        _crash_while_posting(arena, crash)


def _crash_while_posting(arena: Arena, crash: Callable[[Command, Command], None]) -> None:
    """Part of a day over HTTP: registers posted, the other schools pulled; the crash comes while they are posted."""
    estate, ticks = arena.estate, [arena.take_tick() for _ in range(3)]
    keys = sender_keys(arena.settings, estate)
    ingest = arena.start("ingest", "ingest", "run", "--port", str(free_port()))
    url = ingest.hear(r"ingest API: (\S+)", _START_S)[1]
    total = sum(len(estate.script.submissions[tick]) for tick in ticks)
    posted, failed = threading.Semaphore(0), []

    def post() -> None:
        try:
            asyncio.run(estate.play(url, keys, ticks=ticks, concurrency=2, progress=posted.release))
        except BaseException as error:  # noqa: BLE001 - told in the thread that waits
            failed.append(error)
            posted.release(total)

    with estate.serve(token=_TOKEN) as servers, arena.working():
        sources = define(arena.settings, sources_of(estate, servers))
        pulls = arena.start(
            "pull", "pull", "--every", "1", "--overlap", "5", "--json", "--today", max(estate.dates).isoformat(),
            ESTATE_TOKEN=_TOKEN,
        )  # fmt: skip
        posting = threading.Thread(target=post, name="posting")
        posting.start()
        for _ in range(arena.random.randint(1, max(1, total // 2))):
            posted.acquire()
        crash(ingest, pulls)
        posting.join()
        if failed:
            raise failed[0]
        pulls = arena.running("pull")
        begun = rounds(pulls, sources)
        wait_until("whole rounds of pulls", lambda: pulled_since(pulls, begun), _START_S, [pulls])
        arena.kill(pulls)
        arena.drain()
    arena.stop(arena.running("ingest"))


#: Faults that are no fail points, in the order of the table.
FAULTS: dict[str, Callable[[Arena, int], None]] = {
    "workers join and leave": join_and_leave,
    "kill -9 of one of two workers": kill_one_of_two,
    "zombie: SIGSTOP, group moves on, SIGCONT": zombie,
    "kill -9 of ClickHouse": kill_clickhouse,
    "kill -9 of Kafka": kill_kafka,
    "kill -9 of the ingest API": kill_ingest,
    "kill -9 of the pulls": kill_connector,
    "roster changed before recovery": changed.roster,
    "code map changed before recovery": changed.code_map,
    "marks heal while workers die": changed.healing,
}

#: What a person types for them, in the same order.
SHORT: dict[str, str] = dict(
    zip(
        ("join", "kill", "zombie", "clickhouse", "kafka", "ingest", "pulls", "roster", "codes", "healing"),
        FAULTS,
        strict=True,
    )
)
#: The last line of every table: the days are played to their end, and the truth is asked.
REST = "the rest of the days, undisturbed"
FINISH = "what the last one left"


def chosen(names: Sequence[str]) -> list[str]:
    """Scenarios by fail point or a fault's short name; all when none is named. Raises UsageError for an unknown one."""
    if not names:
        return [*FAIL_POINTS, *FAULTS]
    unknown = [name for name in names if name not in FAIL_POINTS and name not in SHORT]
    if unknown:
        raise UsageError(f"no such point: {', '.join(unknown)}; there are {', '.join((*FAIL_POINTS, *SHORT))}")
    return [SHORT.get(name, name) for name in names]


def ticks_needed(names: Sequence[str], kills: int) -> int:
    """Portions of load a run may take; a slow machine needs more than one for a kill."""
    return sum((5 if name in FAULTS else 4 if name.startswith("recovery.") else 3) * kills for name in names) + 8


def torture(
    arena: Arena,
    names: Sequence[str],
    kills: int,
    begin: Callable[[str], None] = lambda _name: None,
    *,
    judge_each: bool = True,
    rest: bool = True,
) -> list[Row]:
    """Run the scenarios, `kills` times each, then (`rest`) the estate's other days; judge after each, or once at the
    end, in the last row.

    `begin` is told each scenario as it begins. Raises StackError when something hangs or ends that should not.
    """
    rows: list[Row] = []
    known = Row("", 0)
    last = REST if rest else FINISH
    for name in (*names, last) if rest or not judge_each else names:
        begin(name)
        row, began = Row(name, 0 if name in (REST, FINISH) else kills), time.monotonic()
        if name == REST:
            _play_the_rest(arena)
        elif name == FINISH:
            finish(arena)
        elif name in FAULTS:
            FAULTS[name](arena, kills)
        else:
            kill_at(arena, name, kills)
            if judge_each:
                finish(arena)
        if judge_each or name == last:
            known = _judge_into(row, arena, known)
        row.seconds = time.monotonic() - began
        rows.append(row)
    return rows


def _play_the_rest(arena: Arena) -> None:
    """Everybody is on the roster now."""
    changed.bring_back(arena)
    with arena.working():
        arena.load(arena.left)
        arena.drain()


def _judge_into(row: Row, arena: Arena, known: Row) -> Row:
    found = arena.judge()
    now = Row(
        "", 0, found.verdict.lost, found.verdict.duplicated, found.verdict.wrong, found.gap, found.differences,
        examples=found.examples,
    )  # fmt: skip
    for name in ("lost", "duplicated", "wrong", "gap", "differences"):
        setattr(row, name, max(0, getattr(now, name) - getattr(known, name)))
    if not row.harmless:
        row.examples = now.examples
    return now

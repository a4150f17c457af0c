"""Kills of the pulls agents: two share an installation's schools, one after the other is killed in the middle of a
batch, and in the end every record of the MIS is on Kafka and every table as the estate knows it must be."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from connectors.estate.direct import MIS
from connectors.estate.topic_log import decode, read_topics
from connectors.source_pulls import state_of
from rollcall.cli.scenarios.arena import PATIENCE_S, Arena
from rollcall.cli.scenarios.ground import define, sources_of
from rollcall.cli.scenarios.killed import Line
from rollcall.cli.scenarios.processes import Command, wait_until

__all__ = ["Result", "torture"]

_START_S = 120.0
_TOKEN = "estate-token"
_GROUP = "torture-pulls"
#: The make of all schools.
_MAKE = "wonde"
_SCHOOLS = 8
#: Slow enough for a batch to take seconds (requests a second).
_PACE = 20


@dataclass
class Result:
    """What came of the records. `repeats` are harmless: the same page of the same request again, under the same ids."""

    kills: int
    #: Records that the MIS holds in the end, or held and told to be deleted.
    records: int
    #: Pull requests on their topic, and messages that came of them.
    requests: int
    messages: int
    repeats: int
    lost: int
    #: The judge's: rows of every table after a worker has taken the pages in.
    rows_lost: int = 0
    rows_duplicated: int = 0
    rows_wrong: int = 0
    #: Messages and marks that reconcile cannot account for; rows that verify rebuilds otherwise.
    gap: int = 0
    differences: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def harmless(self) -> bool:
        """Every record is on Kafka, and every table as it must be."""
        return not any(
            getattr(self, name) for name in ("lost", "rows_lost", "rows_duplicated", "rows_wrong", "gap", "differences")
        )

    def line(self) -> Line:
        """Its line of the table. Wrong is also what the worker made of it."""
        wrong = self.rows_wrong + self.rows_duplicated + self.gap + self.differences
        return Line("pulls", self.kills, self.records, self.lost + self.rows_lost, self.repeats, wrong)

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall agents torture --json`."""
        return {"harmless": self.harmless, **self.line()._asdict(), **asdict(self)}

    def told(self) -> list[str]:
        """The same for a person."""
        return [
            f"{self.records:,} records of the MIS, {self.requests:,} requests, {self.messages:,} messages of marks: "
            f"{self.lost} records are on none",
            f"taken in by a worker: {self.rows_lost} rows lost, {self.rows_duplicated} duplicated, {self.rows_wrong} "
            f"wrong; gap {self.gap}, {self.differences} differences",
            *self.examples,
        ]


def torture(
    home: Path,
    seed: int,
    events: int,
    kills: int,
    begin: Callable[[str], None] = lambda _name: None,
    *,
    every: int = 10,
) -> Result:
    """Let about `events` records come into an MIS, in portions; at each of the first `kills`, kill one of two agents.

    every: seconds between ticks; a batch that is repeated before the next tick has the same ids, later it folds into
    that. begin: told each part as it begins. Raises StackError when something hangs or ends that should not.
    """
    begin("Starting a stack and its reference data")
    days = -(-(kills + 1) // 4)
    pupils = max(_SCHOOLS * 10, events // (2 * days))
    with Arena(home, seed, 4 * days, schools=_SCHOOLS, pupils=pupils, feeds=_MAKE) as arena:
        with arena.estate.serve(token=_TOKEN) as servers:
            sources = [{**one, "requests_a_second": _PACE} for one in sources_of(arena.estate, servers)["sources"]]
            names = define(arena.settings, {"sources": sources})
            _kill(arena, random.Random(f"{seed}/pulls"), names, kills, every, begin)
        begin("A worker takes the pages in")
        with arena.working():
            arena.drain()
        return compare(arena, kills)


def _kill(
    arena: Arena, dice: random.Random, names: Sequence[str], kills: int, every: int, begin: Callable[[str], None]
) -> None:
    """All portions, with the agents that are killed over them; none is at work any more in the end."""
    today = max(arena.estate.dates).isoformat()
    ticker = arena.start(
        "ticker", "pull", "--every", str(every), "--through-kafka", "--what", "marks", "--json", "--today", today,
        ESTATE_TOKEN=_TOKEN,
    )  # fmt: skip
    started = iter(range(1_000))

    def agent() -> Command:
        command = arena.start(
            f"pulls-{next(started)}", "agents", "run", "pulls", "--group", _GROUP, "--overlap", "5", "--at-once", "2",
            "--today", today, ESTATE_TOKEN=_TOKEN,
        )  # fmt: skip
        command.hear("agent_started", _START_S)
        return command

    begin("Two agents share the schools")
    agents = [agent(), agent()]
    for command in agents:
        command.hear("pull_requests_done", PATIENCE_S)  # each has its partitions
    for number in range(kills):
        begin(f"Kill {number + 1}")
        before = arena.gauge.written(MIS)
        arena.estate.advance(arena.take_tick())
        enough = before + dice.randrange(1, _SCHOOLS // 2)  # of a page from each school, at least
        wait_until("pages", partial(_reached, arena, enough), PATIENCE_S, [ticker, *agents], 0.005)
        victim = agents.pop(dice.randrange(2))
        arena.kill(victim)
        agents.append(agent())
    begin("The last agents finish")
    while arena.left:
        arena.estate.advance(arena.take_tick())
    told = datetime.now(UTC)
    wait_until("whole pulls", lambda: _whole(arena, names, told), PATIENCE_S, [ticker, *agents], 0.2)
    for command in (ticker, *agents):
        arena.stop(command)


def compare(arena: Arena, kills: int) -> Result:
    """What is on the topic against what the MIS holds, and every table against what the estate knows."""
    pages: Counter[tuple[str, int]] = Counter()
    said: set[tuple[int, str]] = set()
    kafka = arena.settings.kafka.client_config()
    for _, page in decode(read_topics(kafka, [MIS]), arena.settings.registry.url):
        assert isinstance(page, dict)  # nobody puts anything else there
        pages[page["pull_id"], page["page"]] += 1
        said.update((page["urn"], one) for one in _records(page))
    held = {(urn, record) for urn, records in arena.estate.records.items() for record in records}
    judged = arena.judge()
    return Result(
        kills=kills,
        records=len(held),
        requests=arena.gauge.written("connector.pull-request.v1"),
        messages=pages.total(),
        repeats=sum(count > 1 for count in pages.values()),
        lost=len(held - said),
        rows_lost=judged.verdict.lost,
        rows_duplicated=judged.verdict.duplicated,
        rows_wrong=judged.verdict.wrong,
        gap=judged.gap,
        differences=judged.differences,
        examples=judged.examples,
    )


def _records(page: dict[str, Any]) -> Iterator[str]:
    yield from (mark["record_id"] for mark in page["marks"])
    yield from page["deletions"]


def _reached(arena: Arena, messages: int) -> bool:
    return arena.gauge.written(MIS) >= messages


def _whole(arena: Arena, names: Sequence[str], told: datetime) -> bool:
    """Whether a pull of every school that began after this instant has ended."""
    cursors = [
        state_of(arena.settings, name).load(school.source_id).cursor
        for name in names
        for school in arena.estate.schools
        if school.pulled_from(name)
    ]
    return bool(cursors) and all(cursor is not None and cursor > told for cursor in cursors)

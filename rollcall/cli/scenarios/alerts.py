"""Kills of the alerts agent while it says what it finds: every alert must be said, the same each time it is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import schemas
from connectors.encoding import Encoder
from connectors.estate.reference import ReferenceRecord
from connectors.estate.topic_log import read_topics
from connectors.publisher import Publisher
from rollcall.cli.scenarios.arena import PATIENCE_S, Arena
from rollcall.cli.scenarios.killed import Line
from rollcall.cli.scenarios.processes import wait_until
from rollcall.domain.identity import academic_year
from rollcall.settings import Settings
from schemas import wire
from sinks import alerts
from streams.agents.alerts import TOPIC, to_record

__all__ = ["Result", "torture"]

_START_S = 120.0
#: When the agent looks, every time: a Wednesday at noon, when mornings are overdue everywhere.
_NOON = datetime(2025, 9, 10, 12, tzinfo=UTC)
_FIRST_URN = 940_001
#: Groups of one school: each of them is one register that does not come, and one pupil.
_GROUPS = 100


@dataclass
class Result:
    """What came of the findings. `repeats` are harmless: the same alert again, under the same id."""

    kills: int
    alerts: int
    messages: int
    repeats: int
    lost: int
    wrong: int
    surplus: int

    @property
    def harmless(self) -> bool:
        """Every alert was said, and nothing else."""
        return not (self.lost or self.wrong or self.surplus)

    def line(self) -> Line:
        """Its line of the table."""
        return Line("alerts", self.kills, self.alerts, self.lost, self.repeats, self.wrong + self.surplus)

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall agents torture --json`."""
        return {"harmless": self.harmless, **self.line()._asdict(), **asdict(self)}

    def told(self) -> list[str]:
        """The same for a person."""
        return [
            f"{self.alerts:,} findings, {self.messages:,} messages: {self.wrong} with another content under their id, "
            f"{self.surplus} of ids that no finding has"
        ]


def torture(
    home: Path, seed: int, events: int, kills: int, begin: Callable[[str], None] = lambda _name: None
) -> Result:
    """Let about `events` registers be overdue, in `kills` + 1 portions, and kill the agent while it says them.

    begin: told each part as it begins. Raises StackError when something hangs or ends that should not.
    """
    begin("Starting a stack and its reference data")
    with Arena(home, seed, 4, schools=2, pupils=60) as arena:
        return kill(arena, random.Random(f"{seed}/alerts"), events, kills, begin)


def kill(arena: Arena, dice: random.Random, events: int, kills: int, begin: Callable[[str], None]) -> Result:
    """The same, where a stack is there."""
    size = -(-events // (_GROUPS * (kills + 1)))
    for number in range(kills + 1):
        begin(f"Kill {number + 1}" if number < kills else "The last agent finishes")
        _bring_in(arena, range(_FIRST_URN + number * size, _FIRST_URN + (number + 1) * size))
        found = len(alerts.found(arena.client, _NOON))
        before = arena.gauge.written(TOPIC)
        agent = arena.start(
            f"alerts-{number}", "agents", "run", "alerts", "--every", "1", "--today", f"{_NOON:%Y-%m-%dT%H:%M}"
        )
        agent.hear("agent_started", _START_S)
        # It knows nothing of what was said before: one look says all there is.
        enough = before + (dice.randrange(1, max(2, found)) if number < kills else found)
        wait_until("alerts", partial(_reached, arena, enough), PATIENCE_S, [agent], 0.005)
        (arena.kill if number < kills else arena.stop)(agent)
    return compare(arena.settings, alerts.found(arena.client, _NOON), kills)


def compare(settings: Settings, found: Sequence[alerts.Found], kills: int) -> Result:
    """What is on the topic against what a plain function makes of the findings."""
    schema = schemas.parsed(TOPIC)
    wanted = {record["alert_id"]: _read(wire.encode(schema, 0, record)) for record in map(to_record, found)}
    said: Counter[str] = Counter()
    wrong = 0
    for message in read_topics(settings.kafka.client_config(), [TOPIC]):
        record = _read(message.value or b"")
        said[record["alert_id"]] += 1
        wrong += record["alert_id"] in wanted and record != wanted[record["alert_id"]]
    return Result(
        kills=kills,
        alerts=len(wanted),
        messages=said.total(),
        repeats=sum(count > 1 for count in said.values()),
        lost=len(wanted.keys() - said.keys()),
        wrong=wrong,
        surplus=len(said.keys() - wanted.keys()),
    )


def _bring_in(arena: Arena, urns: Sequence[int]) -> None:
    """Publish schools whose registers are all overdue, and wait until they are applied."""
    settings = arena.settings
    encoder = Encoder(settings.registry.url)
    with Publisher(settings.kafka.client_config(), client_id="rollcall-overdue") as publisher:
        promises = [
            publisher.publish(one.topic, one.key.encode(), encoder.encode(one.topic, one.value))
            for urn in urns
            for one in _school(urn)
        ]
        for promise in promises:
            promise.result()
    arena.await_reference()


def _school(urn: int) -> Iterator[ReferenceRecord]:
    """A school with one pupil in each of its groups, each of which has a register every morning."""
    year, taken_at = _NOON.year, _NOON - timedelta(days=7)
    first, groups = date(year, 9, 1), [f"G{number:03d}" for number in range(_GROUPS)]
    head = {"urn": urn, "taken_at": taken_at}
    facts = {
        "name": f"School {urn}", "la_code": "330", "la_name": "Birmingham", "region_code": "E12000005",
        "region_name": "West Midlands", "trust_id": None, "trust_name": None, "establishment_type": "Community school",
        "phase": "Primary", "state_funded": True, "status": "open", "valid_from": date(2015, 9, 1), "valid_to": None,
    }  # fmt: skip
    yield ReferenceRecord("reference.school.v1", str(urn), {**head, **facts})
    terms = [{"name": "autumn", "first_day": date(year, 9, 3), "last_day": date(year, 12, 19)}]
    calendar = {"academic_year": academic_year(first), "terms": terms, "closures": []}
    yield ReferenceRecord("reference.calendar.v1", str(urn), {**head, **calendar})
    pupils = [
        {
            "refs": [{"scheme": "mis", "ref": f"{urn}-{group}"}],
            "age_31_august": 8,
            "enrolments": [
                {
                    "first_day": first, "last_day": None, "status": "main", "year_group": "4", "boarder": False,
                    "part_time": False,
                }
            ],
            "groups": [{"group_id": group, "first_day": first, "last_day": None}],
        }
        for group in groups
    ]  # fmt: skip
    yield ReferenceRecord("reference.roster.v1", str(urn), {**head, "source": "trust", "pupils": pupils})
    registers = [
        {
            "group_id": group, "session": "AM", "period": None, "opens_at": "08:50", "closes_at": "09:20",
            "weekdays": [1, 2, 3, 4, 5], "valid_from": first, "valid_to": None,
        }
        for group in groups
    ]  # fmt: skip
    yield ReferenceRecord("reference.register.v1", str(urn), {**head, "source": "trust", "registers": registers})


def _read(value: bytes) -> dict[str, Any]:
    return wire.decode(schemas.parsed(TOPIC), value)


def _reached(arena: Arena, messages: int) -> bool:
    return arena.gauge.written(TOPIC) >= messages

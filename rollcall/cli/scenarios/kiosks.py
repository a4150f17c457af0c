"""Kills of the kiosk agent under load: what it wrote, event by event, against what a plain function says it must."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from connectors.encoding import Encoder
from connectors.estate.kiosks import Kiosks
from connectors.estate.marks import EVIDENCE
from connectors.estate.topic_log import decode, read_topics
from connectors.ingest.kiosk import TOPIC
from connectors.publisher import Publisher
from rollcall.cli.reconcile import watermarks
from rollcall.cli.scenarios.arena import PATIENCE_S, Arena
from rollcall.cli.scenarios.ground import load
from rollcall.cli.scenarios.killed import Line
from rollcall.cli.scenarios.processes import wait_until
from rollcall.settings import Settings
from sinks.reconcile import reconcile
from sinks.verify import verify

__all__ = ["Result", "compare", "publish", "torture"]

_GROUP = "torture-kiosk"
_START_S = 120.0


@dataclass
class Result:
    """What came of the events. `repeats` are harmless: the same evidence again, under the same id."""

    events: int
    kills: int
    evidence: int
    repeats: int
    lost: int
    wrong: int
    surplus: int
    facts_lost: int
    facts_wrong: int
    #: Rows of mark_current and school_session: there is no register, so any is one too many (rule 17).
    statutory: int = 0
    #: Messages and marks that reconcile cannot account for; rows that verify rebuilds otherwise.
    gap: int = 0
    differences: int = 0
    facts: int = 0

    @property
    def harmless(self) -> bool:
        """Nothing lost, wrong or too much anywhere."""
        return not any(
            getattr(self, name)
            for name in ("lost", "wrong", "surplus", "facts_lost", "facts_wrong", "statutory", "gap", "differences")
        )

    def line(self) -> Line:
        """Expected are pieces of evidence and facts. Wrong is also what nothing gave, or the worker made of it."""
        return Line(
            "kiosk",
            self.kills,
            self.evidence + self.facts,
            self.lost + self.facts_lost,
            self.repeats,
            sum((self.wrong, self.surplus, self.facts_wrong, self.statutory, self.gap, self.differences)),
        )

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall agents torture --json`."""
        return {"harmless": self.harmless, **self.line()._asdict(), **asdict(self)}

    def told(self) -> list[str]:
        """The same for a person."""
        return [
            f"{self.events:,} kiosk events, {self.kills} kills: {self.evidence:,} pieces of evidence, "
            f"{self.repeats:,} of them written more than once, the same",
            f"evidence: {self.lost} lost, {self.wrong} wrong, {self.surplus} that nothing gave; "
            f"facts: {self.facts_lost} lost, {self.facts_wrong} wrong",
            f"taken in by a worker: {self.statutory} statutory rows, gap {self.gap}, {self.differences} differences",
        ]


def torture(
    home: Path, seed: int, events: int, kills: int, begin: Callable[[str], None] = lambda _name: None
) -> Result:
    """Play events past an agent that is killed `kills` times; then a worker takes the evidence in, and all is compared.

    begin: told each part as it begins. Raises StackError when something hangs or ends that should not.
    """
    dice = random.Random(f"{seed}/kiosks")
    begin("Starting a stack and its reference data")
    with Arena(home, seed, 4, schools=6, pupils=max(300, events // 8)) as arena:
        kiosks = Kiosks(arena.estate, arena.refs)
        records = kiosks.some(arena.estate.dates[0], events)
        size = -(-events // (kills + 1))
        slices = [records[start : start + size] for start in range(0, events, size)]
        for number in range(kills):
            begin(f"Kill {number + 1}")
            agent = arena.start(f"kiosk-{number}", "agents", "run", "kiosk", "--group", _GROUP)
            agent.hear("agent_started", _START_S)
            before = _written(arena.settings)
            publish(arena.settings, slices[number])
            enough = before + dice.randrange(1, max(2, len(slices[number]) // 3))
            wait_until("evidence", partial(_reached, arena.settings, enough), PATIENCE_S, [agent], 0.01)
            arena.kill(agent)
        begin("The last agent finishes")
        agent = arena.start("kiosk-last", "agents", "run", "kiosk", "--group", _GROUP)
        publish(arena.settings, slices[kills])
        wanted = len({one["event_id"] for one in records})
        wait_until("every event", lambda: _facts(arena.client) >= wanted, PATIENCE_S, [agent], 0.2)
        arena.stop(agent)
        begin("A worker takes the evidence in")
        with arena.working():
            arena.drain()
        result = compare(arena.settings, arena.client, kiosks, records, kills)
        ((result.statutory,),) = arena.client.query(load("statutory_rows")).result_rows
        group = arena.settings.worker.group
        result.gap = reconcile(arena.client, group, watermarks(arena.settings.kafka), drained=True).gap
        result.differences = sum(one.rows for one in verify(arena.client).differences)
        return result


def publish(settings: Settings, records: Sequence[Mapping[str, Any]]) -> None:
    """Put kiosk events on their topic, in order, acknowledged."""
    encoder = Encoder(settings.registry.url)
    with Publisher(settings.kafka.client_config(), client_id="rollcall-kiosks") as publisher:
        promises = [
            publisher.publish(TOPIC, str(one["urn"]).encode(), encoder.encode(TOPIC, dict(one))) for one in records
        ]
        for promise in promises:
            promise.result()


def compare(
    settings: Settings, client: Any, kiosks: Kiosks, records: Sequence[Mapping[str, Any]], kills: int
) -> Result:
    """Evidence on its topic and rows of kiosk_event, of the schools of these kiosks, against what must be."""
    wanted = kiosks.evidence(records)
    schools = {school.urn for school in kiosks.schools}
    found: Counter[str] = Counter()
    wrong = surplus = 0
    for _, said in decode(read_topics(settings.kafka.client_config(), [EVIDENCE]), settings.registry.url):
        if isinstance(said, str) or said["urn"] not in schools:
            continue
        found[said["submission_id"]] += 1
        if said["submission_id"] not in wanted:
            surplus += 1
        elif said != wanted[said["submission_id"]]:
            wrong += 1
    facts = {
        event_id: rest for event_id, *rest in client.query(load("kiosk_facts"), {"urns": sorted(schools)}).result_rows
    }
    must = {one["event_id"]: one for one in records}
    by_event = {said["submission_id"] for said in wanted.values()}
    facts_wrong = sum(
        [direction, person, event_at] != [must[event_id][name] for name in ("direction", "person_ref", "event_at")]
        or (evidence_id not in by_event if evidence_id else False)
        for event_id, (direction, person, event_at, evidence_id) in facts.items()
        if event_id in must
    )
    return Result(
        events=len(records),
        kills=kills,
        evidence=len(wanted),
        repeats=sum(count > 1 for count in found.values()),
        lost=len(wanted.keys() - found.keys()),
        wrong=wrong,
        surplus=surplus,
        facts=len(must),
        facts_lost=len(must.keys() - facts.keys()),
        facts_wrong=facts_wrong + len(facts.keys() - must.keys()) + abs(
            sum(bool(one[3]) for one in facts.values()) - len(wanted)
        ),
    )  # fmt: skip


def _written(settings: Settings) -> int:
    """Messages of evidence so far."""
    return sum(one.high for one in watermarks(settings.kafka).values() if one.topic == EVIDENCE)


def _reached(settings: Settings, messages: int) -> bool:
    return _written(settings) >= messages


def _facts(client: Any) -> int:
    return int(client.query(load("kiosk_facts_count")).result_rows[0][0])

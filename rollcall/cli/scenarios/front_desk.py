"""The kiosks of the demo's day: their sign-ins go through the kiosk agent, and are judged beside the marks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from connectors.estate.kiosks import SOURCE, Kiosks, with_one
from connectors.estate.verdict import Finding
from connectors.ingest.kiosk import TOPIC
from rollcall.cli.scenarios.ground import load
from rollcall.cli.scenarios.kiosks import compare, publish
from rollcall.domain.clock import session_opens

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PupilRefs
    from connectors.estate.schools import School
    from rollcall.cli.scenarios.ground import Gauge
    from rollcall.settings import Settings

__all__ = ["Desks", "FrontDesk"]

#: A kiosk at every third school: some of those that post, some of those that are pulled.
_EVERY = 3
_AGENT_GROUP = "rollcall-kiosk"
#: National codes of evidence, and what is said of somebody who signs in so.
_SAYS = {"/": "present", "\\": "present", "L": "late", "U": "after the register closed"}


@dataclass(frozen=True, slots=True)
class Desks:
    """What came of the kiosks' day. repeated: pieces of evidence that came more than once. became: how many sign-ins by
    what their evidence says, `refused` where the pupil is not known, `none` for who is no pupil. findings: their
    judging, by table."""

    schools: int
    events: int
    evidence: int
    repeated: int
    became: dict[str, int]
    findings: dict[str, Finding]

    @property
    def sign_ins(self) -> int:
        """How many there were, each once."""
        return sum(self.became.values())

    def as_json(self) -> dict[str, Any]:
        """A document for `--json`."""
        return {
            "schools": self.schools,
            "events": self.events,
            "sign_ins": self.sign_ins,
            "evidence": self.evidence,
            "repeated": self.repeated,
            "became": self.became,
        }


class FrontDesk:
    """The kiosks of an estate on one day: `publish` what happens before or after noon, then `done`, then `judge`."""

    def __init__(self, settings: Settings, estate: Estate, refs: PupilRefs, day: date) -> None:
        self._settings = settings
        self._kiosks = Kiosks(estate, refs, every=_EVERY)
        self._events = self._kiosks.events(day)
        self._noon = session_opens(day, "12:00").timestamp() * 1000

    @staticmethod
    def schools(estate: Estate) -> list[School]:
        """The schools that have a kiosk."""
        return with_one(estate, _EVERY)

    def publish(self, afternoon: bool) -> None:
        """Put one half of the day's events on their topic, as the ingest API would."""
        publish(self._settings, [one for one in self._events if (one["event_at"] >= self._noon) == afternoon])

    def done(self, gauge: Gauge) -> bool:
        """Whether the agent has done all that follows from every event: then all evidence is on its topic."""
        return gauge.followed(TOPIC, _AGENT_GROUP)

    def judge(self, client: Any) -> Desks:
        """What became of every event, against what the estate says must; and that no figure has seen it (rule 17)."""
        found = compare(self._settings, client, self._kiosks, self._events, 0)
        ((standing,),) = client.query(load("kiosk_figures"), parameters={"source": SOURCE}).result_rows
        became: dict[str, int] = {}
        for what, sign_ins in client.query(load("kiosk_became")).result_rows:
            name = _SAYS.get(what, what)
            became[name] = became.get(name, 0) + sign_ins
        findings = {
            "evidence": _finding(found.evidence, found.lost, found.surplus, found.wrong),
            "kiosk_event": _finding(
                len({one["event_id"] for one in self._events}), found.facts_lost, 0, found.facts_wrong
            ),
            "figures without evidence": _finding(0, 0, 0, int(standing)),
        }
        return Desks(
            schools=len(self._kiosks.schools),
            events=findings["kiosk_event"].rows,
            evidence=found.evidence,
            repeated=found.repeats,
            became=became,
            findings=findings,
        )


def _finding(rows: int, lost: int, duplicated: int, wrong: int) -> Finding:
    return Finding(rows, lost, duplicated, wrong)

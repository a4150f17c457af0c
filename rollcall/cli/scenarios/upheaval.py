"""What changes at the demo's trust during the day, done as its operators would: rosters, rules and aliases published
while marks go on coming (connectors/estate/upheavals.py says what and where).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors import lesson_rules, pupil_aliases, source_rules
from connectors.encoding import Encoder
from connectors.estate import reference
from connectors.estate.upheavals import COVER
from connectors.publisher import Publisher
from rollcall.cli.scenarios.ground import Gauge, load
from rollcall.cli.scenarios.processes import Command, wait_until
from rollcall.domain.pupil_aliases import PupilAlias, merge
from rollcall.settings import Settings
from sinks.pupil_aliases import named

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PupilRefs
    from connectors.estate.schools import School
    from connectors.estate.upheavals import Child, Upheavals

__all__ = ["Upheaval"]

_ROSTER = "reference.roster.v1"
_PATIENCE_S = 120.0
_AUTHOR = "data manager"


class Upheaval:
    """`before` each tick does what is due then; `done` waits until current state follows."""

    def __init__(
        self, settings: Settings, estate: Estate, refs: PupilRefs, client: Any, gauge: Gauge, watched: Sequence[Command]
    ) -> None:
        assert estate.upheavals is not None
        self._settings, self._estate, self._refs, self._client, self._gauge = settings, estate, refs, client, gauge
        self._turned: Upheavals = estate.upheavals
        self._watched = watched
        #: pupil_ids whose marks count for another now.
        self._aliased: list[int] = []

    def before(self, tick: int) -> None:
        """What is due before a tick of the day: 0 the morning, 2 the afternoon, 3 its corrections."""
        kafka, registry = self._settings.kafka.client_config(), self._settings.registry.url
        if tick == 0:
            self._turned.put_early_deletion(self._estate, kafka, registry)
        elif tick == 1 and self._turned.late is not None:
            self._wait("marks that nobody's roster knows", self._refused)
            self._publish_roster(self._turned.late)
        elif tick == 2:
            self._publish_rules()
        elif tick == 3:
            self._gauge.drain(_PATIENCE_S)  # what an alias concerns is derived again; nothing may be under way
            for child in self._turned.numbers:
                self._publish_alias(child)
            if self._turned.late is not None:
                self._wait("the marks of the late school healed", self._healed)
                # Once more, as rosters come every hour: by now the mark is there that an early deletion means.
                self._publish_roster(self._turned.late)

    def done(self) -> None:
        """Wait until no mark stands under a number that counts for another."""
        self._wait("current state by the aliases", self._follows)

    def told(self) -> dict[str, int]:
        """Marks that healed, that the new rule chose, that are of a school not open; aliases in force; and marks of
        sessions that follow from lessons.
        """
        names = ("healed", "chosen_by_the_new_system", "of_a_school_not_open", "aliases", "from_lessons")
        return dict(zip(names, map(int, self._client.query(load("upheavals")).result_rows[0]), strict=True))

    def _publish_rules(self) -> None:
        """After the morning, so that its marks are derived again: of the new system, and of the lessons."""
        turned = self._turned
        if turned.moved is not None:
            reason = "a school has a new register system"
            source_rules.publish(self._settings, turned.rules(), author=_AUTHOR, reason=reason)
        if turned.by_lessons is not None:
            reason = "no registers of mornings, but of lessons"
            rules = turned.lesson_rules()
            lesson_rules.publish(self._settings, turned.by_lessons.urn, rules, author=_AUTHOR, reason=reason)
        self._applied()

    def _publish_roster(self, school: School) -> None:
        record = reference.roster(self._estate, school, self._refs, datetime.now(UTC))
        value = Encoder(self._settings.registry.url).encode(_ROSTER, record)
        with Publisher(self._settings.kafka.client_config(), client_id="rollcall-demo") as publisher:
            publisher.publish(_ROSTER, str(school.urn).encode(), value).result()
        self._applied()

    def _publish_alias(self, child: Child) -> None:
        own, other = self._pupil_id(child.school, child.ref), self._pupil_id(child.school, self._own_ref(child))
        alias = merge(other)
        if child is self._turned.split:
            alias = PupilAlias(other, "split", urn=child.school.urn, first_day=self._turned.day)
        pupil_aliases.publish(self._settings, own, [alias], author=_AUTHOR, reason="one child, two numbers")
        self._aliased.append(own)
        self._applied()

    def _own_ref(self, child: Child) -> str:
        return self._estate.pupils.mis_id(child.row)

    def _pupil_id(self, school: School, ref: str) -> int:
        (one,) = named(self._client, (), (school.urn, "mis", ref))
        return one.pupil_id

    def _refused(self) -> bool:
        assert self._turned.late is not None
        found = self._client.query(
            "SELECT count() FROM quarantine WHERE urn = {urn:UInt32} AND reason = 'unknown_pupil'",
            parameters={"urn": self._turned.late.urn},
        )
        return int(found.result_rows[0][0]) > 0

    def _healed(self) -> bool:
        """Whether the mark that an early deletion means has come out of quarantine."""
        found = self._client.query(
            "SELECT count() FROM mark_event WHERE source = {source:String}", parameters={"source": COVER}
        )
        return int(found.result_rows[0][0]) > 0

    def _follows(self) -> bool:
        found = self._client.query(
            "SELECT count() FROM mark_current FINAL WHERE is_mark AND session_date >= {day:Date}"
            " AND pupil_id IN {pupils:Array(UInt64)}",
            parameters={"day": self._turned.day.isoformat(), "pupils": self._aliased},
        )
        return int(found.result_rows[0][0]) == 0

    def _applied(self) -> None:
        self._wait("the reference loader", self._gauge.reference_applied)

    def _wait(self, what: str, reached: Any) -> None:
        wait_until(what, reached, _PATIENCE_S, self._watched, 0.2)

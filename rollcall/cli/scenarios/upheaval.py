"""What changes at the demo's trust during the day, done as its operators would: rosters, rules and aliases published
while marks go on coming (connectors/estate/upheavals.py says what and where).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connectors.encoding import Encoder
from connectors.estate import reference
from connectors.estate.upheavals import COVER
from connectors.publisher import Publisher
from rollcall.cli.scenarios.decided import publish_alias, publish_rules
from rollcall.cli.scenarios.ground import Gauge, load
from rollcall.cli.scenarios.processes import Command, wait_until
from rollcall.settings import Settings

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PupilRefs
    from connectors.estate.schools import School
    from connectors.estate.upheavals import Upheavals

__all__ = ["Upheaval", "told"]

_ROSTER = "reference.roster.v1"
_PATIENCE_S = 120.0


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
            # After the morning, so that its marks are derived again: of the new system, and of the lessons.
            publish_rules(self._settings, self._turned)
            self._applied()
        elif tick == 3:
            self._gauge.drain(_PATIENCE_S)  # what an alias concerns is derived again; nothing may be under way
            for child in self._turned.numbers:
                self._aliased.append(publish_alias(self._settings, self._client, self._estate, child))
                self._applied()
            if self._turned.late is not None:
                self._wait("the marks of the late school healed", self._healed)
                # Once more, as rosters come every hour: by now the mark is there that an early deletion means.
                self._publish_roster(self._turned.late)

    def done(self) -> None:
        """Wait until no mark stands under a number that counts for another."""
        self._wait("current state by the aliases", self._follows)

    def _publish_roster(self, school: School) -> None:
        record = reference.roster(self._estate, school, self._refs, datetime.now(UTC))
        value = Encoder(self._settings.registry.url).encode(_ROSTER, record)
        with Publisher(self._settings.kafka.client_config(), client_id="rollcall-demo") as publisher:
            publisher.publish(_ROSTER, str(school.urn).encode(), value).result()
        self._applied()

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


def told(client: Any) -> dict[str, int]:
    """Marks that healed, that the new rule chose, that are of a school not open; aliases in force; and marks of
    sessions that follow from lessons.
    """
    names = ("healed", "chosen_by_the_new_system", "of_a_school_not_open", "aliases", "from_lessons")
    return dict(zip(names, map(int, client.query(load("upheavals")).result_rows[0]), strict=True))

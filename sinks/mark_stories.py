"""The whole story of one mark: every delivery of its pupil and session, and of its record; what each did; what counts.

The order of the story is that of knowledge: when Rollcall took each delivery in (rule 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.errors import UsageError
from sinks.deliveries import Delivery, deliveries
from sinks.explaining import Loser, chosen_by
from sinks.quarantine_trail import ARCHIVE_RUN
from sinks.statements import load

__all__ = ["Counts", "Step", "Story", "story"]

_PUPIL_SESSION = (
    "session_date = {day:Date} AND urn = {urn:UInt32} AND session = {session:String} AND period = {period:String}"
    " AND pupil_id IN {pupils:Array(UInt64)}"
)
_RECORD = "urn = {urn:UInt32} AND source = {source:String} AND record_id = {record_id:String}"

#: As an item: the whole message was sent again.
_WHOLE = -1


class Counts(NamedTuple):
    """What counts of a pupil's session now (statutory), or that nothing does (`is_mark` false)."""

    pupil_id: int
    is_mark: bool
    source: str
    code: str
    raw_code: str
    sources: int
    lost: tuple[Loser, ...]
    event_id: int
    publication: int
    #: The school's rule by which it follows from a lesson (rule 7); empty for a mark of the session.
    lesson_rule: str

    @property
    def rule(self) -> str:
        """What chose it."""
        return chosen_by("statutory", self.sources, self.lost, self.lesson_rule) if self.is_mark else "nothing_stands"

    def as_json(self) -> dict[str, Any]:
        """As part of the document of `rollcall explain mark --json`."""
        return {**self._asdict(), "lost": [one._asdict() for one in self.lost], "rule": self.rule}


@dataclass(frozen=True, slots=True)
class Step:
    """A delivery and what became of it: `did`, one of the words of docs/explain.md; `by`: the delivery that did it."""

    delivery: Delivery
    did: str
    by: int | None = None
    rule: str = ""
    #: Where it was delivered first, as partition/offset/item, when it was sent again; and the run that sent it.
    first_at: str = ""
    replayed_by: str = ""

    def as_json(self) -> dict[str, Any]:
        """As an element of the document of `rollcall explain mark --json`."""
        first, archived = self.first_at or None, self.replayed_by.startswith(ARCHIVE_RUN)
        return {
            **self.delivery.as_json(), "did": self.did, "by": self.by, "rule": self.rule or None,
            "first_refused_at": None if archived else first, "first_delivered_at": first if archived else None,
            "replayed_by": self.replayed_by or None,
        }  # fmt: skip


@dataclass(frozen=True)
class Story:
    """All that is known of a mark's pupil and session. `pupils`: its numbers, those that aliases link among them."""

    event_id: int
    day: date
    urn: int
    session: str
    period: str
    pupil_id: int
    pupils: tuple[int, ...]
    steps: tuple[Step, ...]
    counts: tuple[Counts, ...]
    #: pupil_id, event_id and rule of what counts in the live basis.
    live: tuple[tuple[int, int, str], ...]

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall explain mark --json`, schemas and bytes aside."""
        return {
            "event_id": self.event_id, "session_date": self.day.isoformat(), "school": self.urn,
            "session": self.session, "period": self.period or None, "pupil_id": self.pupil_id,
            "linked_pupil_ids": [one for one in self.pupils if one != self.pupil_id],
            "deliveries": [one.as_json() for one in self.steps],
            "counts_now": [one.as_json() for one in self.counts],
            "counts_live": [{"pupil_id": who, "event_id": event, "rule": rule} for who, event, rule in self.live],
        }  # fmt: skip


def story(client: Client, event_id: int, day: date | None = None) -> Story:
    """The story of the mark that a delivery is about. `day`: its session date, which spares a look through all dates.

    Raises UsageError when the history has no such delivery.
    """
    asked: dict[str, Any] = {"event_id": event_id, "days": [] if day is None else [day]}
    rows = client.query(load("story_found"), parameters=asked).result_rows
    if not rows:
        raise UsageError(f"the history has no delivery {event_id}{'' if day is None else f' of {day}'}")
    found_day, urn, session, period, pupil_id, source, record_id = rows[0]
    pupils = [row[0] for row in client.query(load("story_pupils"), parameters={"pupil": pupil_id}).result_rows]
    about = {"day": found_day, "urn": urn, "session": session, "period": period, "pupils": pupils}
    told = {one.event_id: one for one in deliveries(client, _PUPIL_SESSION, about)}
    if record_id:
        of_record = {"urn": urn, "source": source, "record_id": record_id}
        told |= {one.event_id: one for one in deliveries(client, _RECORD, of_record)}
    in_order = sorted(told.values(), key=lambda one: (one.ingested_at, one.version, one.item, one.event_id))
    counts, live = _standing(client, about)
    if period and not any(one.is_mark and one.event_id in told for one in counts):
        counts, live = (), ()  # a lesson from which no session's mark follows counts in no figure (rule 7)
    steps = _with_replays(client, [_step(one, in_order, counts, live) for one in in_order])
    return Story(event_id, found_day, urn, session, period, pupil_id, tuple(pupils), tuple(steps), counts, live)


def _standing(
    client: Client, about: dict[str, Any]
) -> tuple[tuple[Counts, ...], tuple[tuple[int, int, str], ...]]:  # fmt: skip
    """What counts now of a session, in each basis."""
    statement = load("story_current").replace("{lesson_rules}", load("lesson_rule_names"))
    current = client.query(statement, parameters=about).result_rows
    live = client.query(load("story_live"), parameters=about).result_rows
    counts = (Counts._make((*row[:6], tuple(Loser(*one) for one in row[6]), *row[7:])) for row in current)
    return tuple(counts), tuple((who, event_id, rule) for who, event_id, rule in live)


def _step(
    one: Delivery, in_order: Sequence[Delivery], counts: Sequence[Counts], live: Sequence[tuple[int, int, str]]
) -> Step:
    """What a delivery did. The first that is true of it:

    superseded (older than what its record had re-asserted), counts, lesson, lost, counts_live, replaced (by a later
    one of its record), deletes, withdraws, evidence (of a kiosk), gave_way (to another record of its source), agrees
    (of another source, with the same code), or closed (it stands for nothing: the school was not open, or
    the pupil's marks count for another).
    """
    if one.superseded:
        return Step(one, "superseded")
    for standing in counts:
        if standing.is_mark and standing.event_id == one.event_id:
            return Step(one, "counts", rule=standing.rule)
    if one.period:
        later = _replaced_by(one, in_order)
        return Step(one, "lesson" if later is None else "replaced", later)
    for standing in counts:
        for loser in standing.lost:
            if loser.event_id == one.event_id:
                return Step(one, "lost", standing.event_id, loser.rule)
    for _, event_id, rule in live:
        if event_id == one.event_id and rule != "statutory":
            return Step(one, "counts_live", rule=rule)
    later = _replaced_by(one, in_order)
    if later is not None:
        return Step(one, "replaced", later)
    if one.deleted:
        return Step(one, "deletes")
    if one.withdraws:
        return Step(one, "withdraws")
    if one.source_kind == "kiosk":
        return Step(one, "evidence")
    standing_marks = [standing for standing in counts if standing.is_mark]
    if any(standing.source == one.source for standing in standing_marks):
        return Step(one, "gave_way", standing_marks[0].event_id)
    return Step(one, "agrees", standing_marks[0].event_id) if standing_marks else Step(one, "closed")


def _replaced_by(one: Delivery, in_order: Sequence[Delivery]) -> int | None:
    """The next version of the same record of the same pupil and session, when there is one."""
    later = [
        other for other in in_order
        if not other.superseded and other.version > one.version and _record(other) == _record(one)
    ]  # fmt: skip
    return min(later, key=lambda other: other.version).event_id if later else None


def _record(one: Delivery) -> tuple[Any, ...]:
    """What mark_assertion and period_current keep the latest of."""
    return one.session_date, one.urn, one.session, one.period, one.pupil_id, one.source, one.record_id


def _with_replays(client: Client, steps: list[Step]) -> list[Step]:
    """The steps, with where each was delivered first that was sent again, out of quarantine or the archive."""
    places = [one.delivery for one in steps]
    asked = {
        "topic_ids": sorted({one.topic_id for one in places}), "partitions": sorted({one.partition for one in places}),
        "offsets": sorted({one.offset for one in places}),
    }  # fmt: skip
    came: dict[tuple[Any, ...], tuple[str, str]] = {}
    for *replay, item, _, partition, offset, first_item, run in client.query(
        load("story_replays"), parameters=asked
    ).result_rows:
        came[(*replay, item)] = (f"{partition}/{offset}/{first_item}", run)

    def of(one: Delivery) -> tuple[str, str]:
        return came.get((*one.place, one.item)) or came.get((*one.place, _WHOLE)) or ("", "")

    return [Step(one.delivery, one.did, one.by, one.rule, *of(one.delivery)) for one in steps]

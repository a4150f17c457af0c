"""What may be known of each school at each cut of a strike day, from what its MIS holds and what it has sent.

Of a school that answered whole there is one answer to that: what its MIS held at the estate's hour (tick) at which it
was served. Of one that answered late, or broke off, there may be several: the pages that its MIS sent came one after
the other, and any number of them may have been on Kafka, and taken in, by then. Where the puller noted how many Kafka
has acknowledged of an asking that ended, it is that many and no other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from connectors.estate.messages import UNKNOWN
from connectors.estate.script import code_maps

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.snapshots.record import Asked, Snapshot

__all__ = ["Knowable", "Records", "Standing", "Told", "Truth", "knowable"]

#: Record id -> (pupil's row, session, raw code).
Records = Mapping[str, tuple[int, str, str]]
#: Pupil (row) and session -> code as `rollcall snapshot diff` writes it.
Standing = dict[tuple[int, str], str]
#: Notes are written to the millisecond, and cut off there.
_A_NOTE = timedelta(milliseconds=1)


class Told(NamedTuple):
    """A page of a school's day went out: the MIS's id of the school, when it was asked for and when it went, the
    estate's hour by then, and the records that it says are there, or are gone."""

    school: str
    asked: datetime
    at: datetime
    tick: int
    gone: bool
    records: tuple[str, ...]


class Truth:
    """What each school's MIS holds at each tick, by record."""

    def __init__(self, estate: Estate, day: date) -> None:
        self._codes = {
            (scheme, entry.raw_code): entry
            for scheme, entries in code_maps(estate.schools).items()
            for entry in entries
            if (entry.valid_from or date.min) <= day <= (entry.valid_to or date.max)
        }
        self._schemes = {school.urn: school.pulled_scheme for school in estate.schools}
        #: tick -> urn -> records of the day's sessions.
        self._held: list[dict[int, Records]] = []
        now: dict[int, dict[str, tuple[int, str, str]]] = defaultdict(dict)
        for changes in estate.script.changes:
            for change in changes:
                held = now[change.urn]
                if change.new is not None:
                    if change.new.period is None and change.new.session_date == day:
                        held[change.record_id] = (change.new.pupil, change.new.session, change.code or "")
                elif change.record_id in held and change.code is None:
                    del held[change.record_id]
                elif change.record_id in held:
                    pupil, session, _ = held[change.record_id]
                    held[change.record_id] = (pupil, session, change.code or "-")
            self._held.append({urn: dict(records) for urn, records in now.items()})

    def records(self, urn: int, tick: int) -> Records:
        """What the MIS of a school holds at a tick."""
        return self._held[tick].get(urn, {})

    def standing(self, urn: int, records: Records) -> Standing:
        """What stands by these records of a school, of pupils whom somebody knows."""
        found: Standing = {}
        for pupil, session, raw in records.values():
            entry = self._codes.get((self._schemes[urn], raw))
            code = f"?{raw}" if entry is None else entry.canonical_code
            if pupil != UNKNOWN and code != "-":
                found[pupil, session] = code
        return found

    def after(self, urn: int, records: Records, page: Told) -> Records:
        """What is known when a page comes on top of what was."""
        if page.gone:
            return {record: said for record, said in records.items() if record not in page.records}
        held = self.records(urn, page.tick)
        return {**records, **{record: held[record] for record in page.records if record in held}}


@dataclass(slots=True)
class Knowable:
    """Of one school, by cut. at: what may have been known at the cut; afterwards: when it had closed; each the less
    first. whole: the tick of its whole answer, if it gave one. sent: pages that its MIS sent, of whatever asking."""

    at: list[Sequence[Records]] = field(default_factory=list)
    afterwards: list[Sequence[Records]] = field(default_factory=list)
    whole: list[int | None] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)

    def before(self, cut: int) -> Sequence[Records]:
        """What may have been known when a cut began."""
        return self.afterwards[cut - 1] if cut else [{}]

    def in_part_before(self, cut: int) -> bool:
        """Whether it had sent something since its last whole answer when a cut began."""
        since = max((number + 1 for number in range(cut) if self.whole[number] is not None), default=0)
        return any(self.sent[since:cut])


def knowable(
    truth: Truth, snapshot: Snapshot, told: Iterable[Told], known_at: Sequence[datetime], urns: Mapping[str, int]
) -> dict[str, Knowable]:
    """Of each school, by the MIS's id. known_at: of each cut, the instant by which what is known at it was taken in.
    urns: of the schools by that id."""
    begins = [record.cut.at for record in snapshot.cuts]
    sent: dict[str, list[list[Told]]] = {school: [[] for _ in begins] for school in urns}
    for page in told:
        sent[page.school][max(0, bisect_right(begins, page.asked) - 1)].append(page)
    found = {school: Knowable() for school in urns}
    for number, record in enumerate(snapshot.cuts):
        asked = {school: one for (_, school), one in record.schools.items()}
        due = snapshot.schedule.due(record.cut)
        for school, one in found.items():
            pages = sorted(sent[school][number], key=lambda page: page.at)
            _follow(
                truth, urns[school], one, asked.get(school), pages, min(due, record.over_at or due), known_at[number]
            )
    return found


def _follow(
    truth: Truth,
    urn: int,
    one: Knowable,
    asked: Asked | None,
    pages: Sequence[Told],
    over: datetime,
    known_at: datetime,
) -> None:
    """The next cut of a school, of which its MIS sent these pages. over: the end of the cut."""
    before, tick = one.before(len(one.at)), _whole_answer(asked, pages)
    one.whole.append(tick)
    one.sent.append(len(pages))
    if tick is not None and asked is not None and asked.outcome == "answered":
        now = [truth.records(urn, tick)]
        one.at.append(now)
        one.afterwards.append(now)
        return
    counted = _counted(asked, pages)
    in_time = counted is not None and asked is not None and asked.ended_at is not None and asked.ended_at <= over
    known = [page for page in pages if page.at <= known_at]
    one.at.append(_states(truth, urn, before, known, counted if in_time else None))
    one.afterwards.append(_states(truth, urn, before, pages, counted) if tick is None else [truth.records(urn, tick)])


def _whole_answer(asked: Asked | None, pages: Iterable[Told]) -> int | None:
    """The hour whose marks its whole answer held; None when it gave none, or its MIS knows nothing of one."""
    if asked is None or not asked.has_answered or asked.asked_at is None or asked.ended_at is None:
        return None
    begun, ended = asked.asked_at - _A_NOTE, asked.ended_at + _A_NOTE
    return max(
        (page.tick for page in pages if begun <= page.asked and page.at <= ended and not page.gone), default=None
    )


def _counted(asked: Asked | None, pages: Sequence[Told]) -> int | None:
    """How many of these pages are on Kafka, by the notes of an asking that broke off; None when they cannot say: it was
    asked more than once, or it had come to deletions, of which only those are told that mean something."""
    if asked is None or asked.has_answered or asked.outcome is None or asked.asked_at is None:
        return None
    once = all(page.asked >= asked.asked_at - _A_NOTE and not page.gone for page in pages)
    return asked.pages if once else None


def _states(
    truth: Truth, urn: int, before: Sequence[Records], pages: Sequence[Told], counted: int | None
) -> Sequence[Records]:
    """What may be known when some of these pages came on top of what may have been known before: the first so many."""
    found: list[Records] = []
    once = {
        (page.gone, page.records): page for page in reversed(pages)
    }  # a question that was asked again says the same
    for records in before:
        steps = [records]
        for page in reversed(once.values()):
            steps.append(truth.after(urn, steps[-1], page))
        wanted = steps if counted is None else steps[counted : counted + 1] or steps[-1:]
        found += [step for step in wanted if step not in found]
    return found

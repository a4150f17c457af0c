"""What changes at a trust on one day beside its marks, and what must come of it.

    late       a school's roster comes at noon: its morning waits in quarantine and heals
    converted  a school became an academy this morning; both systems go on sending the other's days (rule 12)
    moved      a school changes its register system at noon; the new one brings the morning over, the old one goes on
               correcting it (rule 10)
    merged     a child is known under a second number from noon on (alias)
    split      a child is sent under the number of one who left yesterday (alias, by session date)
    early      at the late school a deletion comes before its mark, from a system that nobody else has
    lessons    a school takes no registers of its mornings but of their first lessons; its own rule says so (rule 7)

Each is at a school that posts registers, no two at one but for the children. An estate too small for one goes without.

Over several days (`Upheavals.lasting`) some hold all the time: every day the new system speaks from noon on, mornings
follow from lessons, and a child has its second number in the afternoon.

    away       pupils who are on no roster until somebody says so (`back`): what is sent of them waits, and heals
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.encoding import Encoder
from connectors.estate import direct
from connectors.estate.day import CODES, NO_MARK, draw_day
from connectors.estate.messages import SentMark, Submission
from connectors.estate.pulled import LESSON_PERIODS
from connectors.estate.pupils import UPN_SHARED
from connectors.estate.registers import groups_of
from connectors.estate.schools import FIRST_URN, SOURCES, School
from connectors.publisher import Delivery, Publisher
from rollcall.domain.clock import session_opens
from rollcall.domain.lesson_rules import LessonRule
from rollcall.domain.source_rules import BUILT_IN, SourceRule

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["COVER", "Child", "Upheavals", "until"]

#: The system of the deletion that overtakes its mark.
COVER = "cover-desk"
#: Groups whose pupils are on no roster at first.
_AWAY = 3
#: So many pupils of a group are in what the two schools of a conversion send of each other's days.
_FEW = 8
_RULE, _LESSON_RULE = "new_system", "roll_call"
#: The lessons of the morning, in order.
_MORNING = tuple(name for name, _, _, session in LESSON_PERIODS if session == "AM")
_ABSENT = ("I", "O", "M")
_NOON, _AFTERNOON = "12:00", "15:30"
_IDS = uuid.UUID("b1ff4b5e-27d2-5b0a-8a8e-5f1f6b2f7d11")


class Child(NamedTuple):
    """A pupil with a second number: the school, the pupil's row, what the number is called there, and its row."""

    school: School
    row: int
    ref: str
    number: int


@dataclass(frozen=True)
class Upheavals:
    """At which schools of an estate what happens on its day; None where the estate is too small."""

    day: date
    #: The school day before; None when there is none in the term.
    before: date | None = None
    late: School | None = None
    converted: School | None = None
    #: The converted school under its old URN.
    predecessor: School | None = None
    moved: School | None = None
    #: Its new system.
    system: str = ""
    merged: Child | None = None
    split: Child | None = None
    by_lessons: School | None = None
    #: Pupils who are on no roster yet, by row, and their school.
    away: frozenset[int] = frozenset()
    away_from: School | None = None

    @classmethod
    def at(cls, estate: Estate, without: Collection[int] = ()) -> Upheavals:
        """Choose the schools, the smallest first; the late one is none of `without`, by URN, for what kiosks there say
        of its pupils would wait too. Raises ValueError for several days.
        """
        if len(estate.dates) != 1:
            raise ValueError("upheavals are of an estate of one day")
        day = estate.dates[0]
        posting = _posting(estate)
        by_own_ids = [school for school in posting if school.pupil_scheme == "mis"]
        late = next((school for school in by_own_ids if school.urn not in without), None)
        numbered = next((school for school in by_own_ids if school != late), None)
        others = (school for school in posting if school not in (late, numbered))
        converted, moved = next(others, None), next(others, None)
        by_lessons = next((school for school in others if school.lessons), None)
        children = iter(_ordinary(estate, numbered) if numbered else ())
        merged, split = next(children, None), next(children, None)
        total = len(estate.pupils)
        return cls(
            day=day,
            before=_before(estate, day),
            late=late,
            converted=converted,
            predecessor=converted and replace(
                converted, urn=FIRST_URN - 1 - converted.index, name=f"{converted.phase} School {converted.index + 1}",
                establishment_type="Community school", trust_id=None, trust_name=None,
            ),
            moved=moved,
            system=_another(moved),
            merged=None if merged is None or numbered is None else _second(estate, numbered, merged),
            split=None if split is None or numbered is None
            else Child(numbered, split, f"L{estate.pupils.mis_id(split)}", total + 1),
            by_lessons=by_lessons,
        )  # fmt: skip

    @classmethod
    def lasting(cls, estate: Estate) -> Upheavals:
        """What holds on each of an estate's days; in a small one the same school may have several."""
        posting = _posting(estate)
        by_own_ids = next((school for school in posting if school.pupil_scheme == "mis"), None)
        by_lessons = next((school for school in posting if school.lessons), None)
        moved = next((school for school in posting if school not in (by_own_ids, by_lessons)), None)
        row = next(iter(_ordinary(estate, by_own_ids)), None) if by_own_ids else None
        groups = [rows for _, rows in groups_of(estate.pupils, by_own_ids)][-_AWAY:] if by_own_ids else []
        return cls(
            day=estate.dates[0],
            moved=moved,
            system=_another(moved),
            merged=None if row is None or by_own_ids is None else _second(estate, by_own_ids, row),
            by_lessons=by_lessons,
            away=frozenset(
                one for rows in groups for one in rows if one != row and not estate.pupils.flags[one] & UPN_SHARED
            ),
            away_from=by_own_ids,
        )

    # ---- what is said

    def rewrite(self, estate: Estate, day: date, end: dict[tuple[int, int, date, str], str],
        submissions: list[list[Submission]],
    ) -> None:  # fmt: skip
        """Change what the schools send on a day, tick by tick, and what must stand of it in the end."""
        if day != self.day:
            replace(self, day=day).rewrite(estate, day, end, submissions)
            return
        for child, first in ((self.merged, 2), (self.split, 0)):
            if child is not None:
                for submission in _of(child.school, submissions[first:]):
                    submission.marks = [
                        mark._replace(ref=child.ref) if mark.pupil == child.row else mark for mark in submission.marks
                    ]
        if self.moved is not None:
            self._move(estate, self.moved, end, submissions)
        if self.converted is not None and self.predecessor is not None:
            self._convert(estate, self.converted, self.predecessor, end, submissions)
        if self.by_lessons is not None:
            self._take_lessons(estate, self.by_lessons, end, submissions)

    def _move(
        self, estate: Estate, school: School, end: Mapping[tuple[int, int, date, str], str],
        submissions: list[list[Submission]],
    ) -> None:  # fmt: skip
        """From noon on the new system sends. It brings over how the morning stood; the old one still corrects that."""
        for submission in _of(school, submissions[2:]):
            submission.source = self.system
        brought = []
        for group, rows in groups_of(estate.pupils, school):
            codes = [(row, end.get((school.urn, row, self.day, "AM"))) for row in rows]
            marks = [_mark(estate, row, code) for row, code in codes if code is not None]
            if marks:
                brought.append(self._register(school, group, self.day, _NOON, marks, source=self.system))
        submissions[2][:0] = brought
        for one in brought[:1]:
            present = [mark for mark in one.marks if mark.code == "/"][:2]
            late = [mark._replace(code="C") for mark in present]
            submissions[3].append(self._register(school, one.group_id, self.day, _AFTERNOON, late, complete=False))

    def _convert(
        self, estate: Estate, school: School, old: School, end: dict[tuple[int, int, date, str], str],
        submissions: list[list[Submission]],
    ) -> None:  # fmt: skip
        """The old URN sends its last day late, and today, which is no more its own; the new one sends that day too."""
        group, rows = groups_of(estate.pupils, school)[0]
        few = [row for row in rows if not estate.pupils.flags[row]][:_FEW]
        absent = [_mark(estate, row, "I") for row in few]
        submissions[1].append(self._register(old, group, self.day, _NOON, absent))
        if self.before is None:
            return
        present = [_mark(estate, row, "/") for row in few]
        submissions[1].append(self._register(old, group, self.before, _NOON, present))
        submissions[1].append(self._register(school, group, self.before, _NOON, absent))
        end |= {(old.urn, row, self.before, "AM"): "/" for row in few}

    def _take_lessons(
        self, estate: Estate, school: School, end: dict[tuple[int, int, date, str], str],
        submissions: list[list[Submission]],
    ) -> None:  # fmt: skip
        """What the morning's registers said, those of the first lesson say; in the second, a few of the absent came."""
        first, second = _MORNING[:2]
        for tick in submissions:
            tick[:] = [one for one in tick if one.urn != school.urn or one.period is None]
        for submission in _of(school, submissions):
            if submission.session == "AM" and submission.session_date == self.day:
                submission.period = first
        for group, rows in groups_of(estate.pupils, school):
            came = [row for row in rows if end.get((school.urn, row, self.day, "AM")) in _ABSENT][:_FEW]
            if came:
                marks = [_mark(estate, row, "/") for row in came]
                lesson = self._register(school, group, self.day, _NOON, marks, complete=False)
                lesson.period = second
                submissions[1].append(lesson)
                end |= {(school.urn, row, self.day, "AM"): "/" for row in came}

    def _register(
        self, school: School, group: str, day: date, at: str, marks: list[SentMark], *, source: str = "",
        complete: bool = True,
    ) -> Submission:  # fmt: skip
        said = session_opens(self.day, at)
        source = source or school.source
        return Submission(
            submission_id=str(uuid.uuid5(_IDS, f"{school.urn}/{group}/{day}/{at}/{source}")), urn=school.urn,
            source=source, group_id=group, session_date=day, session="AM", complete=complete, revision=9,
            submitted_at=said, code_scheme=school.code_scheme, marks=marks,
        )  # fmt: skip

    # ---- what is known

    @property
    def last_day(self) -> date:
        """The last day of what ended: the old school, the child who left."""
        return self.day - timedelta(days=1)

    @property
    def numbers(self) -> list[Child]:
        """Children with a second number."""
        return [child for child in (self.merged, self.split) if child is not None]

    @property
    def alias(self) -> dict[tuple[int, Hashable], tuple[Hashable, date | None]]:
        """For whom a number counts, and from which session date on, by URN and row."""
        return {
            (child.school.urn, child.number): (child.row, self.day if child is self.split else None)
            for child in self.numbers
        }

    def spells(self, child: Child, spells: list[tuple[date, date | None]]) -> list[tuple[date, date | None]]:
        """The enrolments under a child's second number, from the child's own: who left yesterday is on roll no more."""
        return until(spells, self.last_day) if child is self.split else spells

    def rules(self) -> tuple[SourceRule, ...]:
        """The document that makes the new system of the moved school its system of record, for every session date."""
        assert self.moved is not None
        before = max(rule.precedence for rule in BUILT_IN) + 10
        return *BUILT_IN, SourceRule(_RULE, before, urn=self.moved.urn, source=self.system, code_class="definite")

    @property
    def windows(self) -> dict[int, tuple[str, ...]]:
        """Of schools whose mornings follow from lessons: those lessons, by URN."""
        return {self.by_lessons.urn: _MORNING} if self.by_lessons else {}

    def lesson_rules(self) -> tuple[LessonRule, ...]:
        """The document by which they do."""
        return (LessonRule(_LESSON_RULE, am=_MORNING),)

    def back(self, count: int) -> Upheavals:
        """The same with so many fewer pupils away."""
        return replace(self, away=frozenset(sorted(self.away)[count:]))

    def put_early_deletion(self, estate: Estate, client: Mapping[str, Any], registry_url: str) -> int:
        """Put a deletion on its topic, and then the mark that it deletes. Returns how many messages."""
        if self.late is None or not (rows := list(_ordinary(estate, self.late))):
            return 0
        page: dict[str, Any] = {
            "pull_id": "cover", "snapshot": None, "urn": self.late.urn, "source": COVER, "complete": False,
            "window_from": None, "window_to": None, "page": 0, "last_page": True, "taken_at": datetime.now(UTC),
            "code_scheme": "national", "marks": [], "deletions": [],
        }  # fmt: skip
        mark = {
            "record_id": "cover-1", "pupil_ref": estate.pupils.mis_id(rows[0]), "pupil_scheme": "mis",
            "session_date": self.day, "session": "AM", "period": None, "code": "I", "minutes_late": None,
            "modified_at": None,
        }  # fmt: skip
        encoder = Encoder(registry_url)
        deleted = page["taken_at"] + timedelta(minutes=1)
        said = (
            ({**page, "taken_at": deleted, "deletions": ["cover-1"]}, "unknown_record"),
            ({**page, "marks": [mark]}, "unknown_pupil"),
        )
        with Publisher(client, client_id="rollcall-estate-cover") as publisher:
            for record, reason in said:
                key = str(self.late.urn).encode()
                put: Delivery = publisher.publish(direct.MIS, key, encoder.encode(direct.MIS, record)).result()
                assert put.offset is not None  # a first delivery of this producer
                estate.poison.append(direct.Poison("cover", put.topic, put.partition, put.offset, reason, False))
        return len(said)


def until(spells: list[tuple[date, date | None]], last: date) -> list[tuple[date, date | None]]:
    """Enrolments that end on a day at the latest."""
    return [(first, last if end is None else min(end, last)) for first, end in spells if first <= last]


def _posting(estate: Estate) -> list[School]:
    """Schools that post registers and have sessions of all pupils, the smallest first."""
    return [
        school
        for school in sorted(estate.schools, key=lambda school: (school.pupils, school.urn))
        if not school.pulled and school.phase in ("Primary", "Secondary", "Special")
    ]


def _another(school: School | None) -> str:
    """A register system that the school has not."""
    return next(name for name in SOURCES if school is None or name != school.source)


def _second(estate: Estate, school: School, row: int) -> Child:
    return Child(school, row, f"T{estate.pupils.mis_id(row)}", len(estate.pupils))


def _of(school: School, ticks: list[list[Submission]]) -> list[Submission]:
    """A school's submissions, each once: what is repeated stands in two ticks."""
    return list({id(one): one for tick in ticks for one in tick if one.urn == school.urn}.values())


def _mark(estate: Estate, row: int, code: str) -> SentMark:
    return SentMark(row, "mis", estate.pupils.mis_id(row), code)


def _ordinary(estate: Estate, school: School) -> list[int]:
    """Pupils of whom nothing is unusual and who have marks in both sessions; not the first two of a group, who also
    have marks of other days.
    """
    truth = draw_day(estate.seed, estate.pupils, estate.dates[0])
    return [
        row
        for _, rows in groups_of(estate.pupils, school)
        for row in rows[2:]
        if not estate.pupils.flags[row] and CODES[int(truth.am[row])] == "/" and int(truth.pm[row]) != NO_MARK
    ]


def _before(estate: Estate, day: date) -> date | None:
    """The school day before, of the same term."""
    for back in range(1, 4):
        earlier = day - timedelta(days=back)
        if earlier.weekday() < 5:
            return earlier if estate.calendar.open(earlier) else None
    return None

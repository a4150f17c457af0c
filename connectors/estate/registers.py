"""The script of a school that posts registers: what its teachers submit, correct, repeat and get wrong."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate, groupby
from typing import NamedTuple

from connectors.estate.day import CODES, NO_MARK, Day
from connectors.estate.dirt import LOCAL_CODES, UNKNOWN_CODES, WITHDRAWN, Dirt
from connectors.estate.messages import UNKNOWN, Amended, SentMark, Submission
from connectors.estate.pupils import UPN_SHARED, Pupils
from connectors.estate.schools import DIALECT, School
from connectors.estate.script import Calendar, EndKey, Script
from rollcall.domain.clock import session_opens

__all__ = ["FAR_OFF_YEAR", "groups_of", "pick", "write_registers"]

#: A mistyped year: far outside everything that is loaded, and a date all the same.
FAR_OFF_YEAR = 2086
#: The clock of a sender that runs ahead.
CLOCK_AHEAD = timedelta(hours=3)
#: Share of marks that start as N because nobody knows the reason when the register closes.
STARTS_AS_N = {"I": 0.35, "O": 0.35, "M": 0.2, "L": 0.15, "U": 0.8}
_LOCAL = {canonical: raw for raw, canonical in LOCAL_CODES.items()}
_REASONS = ("parent-called", "arrived-late", "medical-note", "register-error")
_EVIDENCE = ("parent_message", "kiosk", "medical", "none")
_PER_REGISTER = (
    "missing_register",
    "repeat",
    "resubmission",
    "base_after_amendment",
    "late_arrival",
    "submission_id_reused",
    "clock_ahead",
)
_PER_MARK = (
    "withdrawn_code",
    "unknown_code",
    "withdrawal",
    "twice_equal",
    "twice_different",
    "long_code",
    "unknown_pupil",
)
_MINUTE = timedelta(minutes=1)


def groups_of(pupils: Pupils, school: School) -> list[tuple[str, list[int]]]:
    """The school's registration groups, by name, each with its pupils' rows."""
    ordered = sorted(pupils.of(school), key=pupils.group)
    return [(group, list(rows)) for group, rows in groupby(ordered, key=pupils.group)]


def pick(draw: float, edges: Sequence[tuple[float, str]]) -> str:
    """The kind of dirt that a uniform draw falls on, '' for none. `edges`: ascending upper bounds."""
    return next((kind for edge, kind in edges if draw < edge), "")


def edges_of(dirt: Dirt, kinds: Sequence[str]) -> list[tuple[float, str]]:
    """Ascending upper bounds of the kinds' rates, for `pick`."""
    return list(zip(accumulate(getattr(dirt, kind) for kind in kinds), kinds, strict=True))


class _Taken(NamedTuple):
    """A register as taken: the marks first sent, the corrections due, what must stand, and marks free of dirt."""

    marks: list[SentMark]
    corrections: list[SentMark]
    first: dict[int, str]
    final: dict[int, str | None]
    clean: list[SentMark]


class _Register(NamedTuple):
    group: str
    session: str
    tick: int
    closes: datetime


def write_registers(
    seed: int,
    school: School,
    pupils: Pupils,
    refs: Sequence[str],
    day: Day,
    dirt: Dirt,
    calendar: Calendar,
    ahead: date,
    script: Script,
) -> dict[EndKey, str]:
    """Append the school's submissions of the day to `script`; returns what must stand of them in the end.

    refs: what the school calls each of its pupils in order: raw UPNs or MIS ids. ahead: the day of marks that are dated
    ahead, later than the real today too.
    """
    return _Writer(seed, school, pupils, refs, day, dirt, calendar, ahead, script).write()


class _Writer:
    def __init__(
        self,
        seed: int,
        school: School,
        pupils: Pupils,
        refs: Sequence[str],
        day: Day,
        dirt: Dirt,
        calendar: Calendar,
        ahead: date,
        script: Script,
    ) -> None:
        self.school, self.pupils, self.refs, self.day, self.dirt = school, pupils, refs, day, dirt
        self.calendar, self.ahead, self.script = calendar, ahead, script
        self.random = random.Random(f"{seed}/{school.urn}/{day.session_date}")
        self.rows = pupils.of(school)
        shared = pupils.has(UPN_SHARED)[self.rows.start : self.rows.stop]
        #: Pupils whose reference names two: their marks cannot be placed.
        self.unplaceable = {self.rows.start + int(row) for row in shared.nonzero()[0]} if self.by_upn else set()
        self.per_register, self.per_mark = edges_of(dirt, _PER_REGISTER), edges_of(dirt, _PER_MARK)
        self.end: dict[EndKey, str] = {}

    @property
    def by_upn(self) -> bool:
        return self.school.pupil_scheme == "upn"

    def write(self) -> dict[EndKey, str]:
        groups = groups_of(self.pupils, self.school)
        times = self.school.times
        for session, tick, closes in (("AM", 0, times[1]), ("PM", 2, times[3])):
            at = session_opens(self.day.session_date, closes)
            for group, rows in groups:
                self._register(_Register(group, session, tick, at), rows)
        self._extras(groups)
        return self.end

    def _register(self, register: _Register, rows: list[int]) -> None:
        taken = self._take(register, rows)
        if not taken.marks:
            return
        kind = pick(self.random.random(), self.per_register)
        if kind:
            self.script.counts[kind] += 1
        if kind == "missing_register":
            self.script.missing.add((self.school.urn, register.group, self.day.session_date, register.session))
            return
        base = self._submission(register, taken.marks, self._taken_at(register))
        if kind == "clock_ahead":
            base.ahead = CLOCK_AHEAD
        first, later = self.script.submissions[register.tick], self.script.submissions[register.tick + 1]
        (later if kind == "base_after_amendment" and taken.corrections else first).append(base)
        before = len(later)
        final = dict(taken.first) if kind == "clock_ahead" else taken.final
        if kind == "resubmission":
            later.append(self._submission(register, taken.marks, base.submitted_at + 20 * _MINUTE, revision=2))
        elif kind == "late_arrival" and taken.clean:
            self._late_arrival(register, base, taken, later)
        elif kind == "submission_id_reused" and taken.clean:
            changed = taken.clean[-1]._replace(code="B", minutes_late=None)
            again = self._submission(register, [changed], base.submitted_at + 30 * _MINUTE, complete=False, revision=2)
            again.submission_id = base.submission_id
            later.append(again)
            self.script.reused.add(base.submission_id)
            final[changed.pupil] = "B"
        if taken.corrections:
            correction = self._correct(register, taken, amend_only=kind == "submission_id_reused")
            # Delivered before the register that it corrects, when that one was held up.
            later.insert(before - 1, correction) if kind == "base_after_amendment" else later.append(correction)
        if kind == "repeat":
            later.append(base)
        for pupil, code in final.items():
            if code is not None and pupil not in self.unplaceable:
                self.end[self.school.urn, pupil, self.day.session_date, register.session] = code

    def _take(self, register: _Register, rows: list[int]) -> _Taken:
        """Mark every pupil of the group of whom a mark is due."""
        column = self.day.am if register.session == "AM" else self.day.pm
        taken = _Taken([], [], {}, {}, [])
        draw, counts = self.random.random, self.script.counts
        for row in rows:
            number = int(column[row])
            if number == NO_MARK:
                continue
            final = CODES[number]
            minutes = int(self.day.minutes_late[row]) if final in ("L", "U") else None
            unsure = STARTS_AS_N.get(final)
            kind = pick(draw(), self.per_mark)
            if kind:
                counts[kind] += 1
            elif final == "\\" and draw() < self.dirt.wrong_present:
                final = "/"
                counts["wrong_present"] += 1
            if kind == "withdrawn_code":
                final, unsure = self.random.choice(WITHDRAWN), None
            elif kind == "unknown_code":
                final, unsure = self.random.choice(UNKNOWN_CODES), None
            final = self._as_the_school_says(final)
            mark = self._mark(row, final, minutes)
            if not kind and unsure is not None and draw() < unsure:
                taken.corrections.append(mark)
                taken.marks.append(self._mark(row, "N", None))
                taken.first[row], taken.final[row] = "N", final
                counts["amendment"] += 1
                continue
            taken.first[row] = taken.final[row] = final
            self._soil(kind, taken, row, mark)
        return taken

    def _soil(self, kind: str, taken: _Taken, row: int, mark: SentMark) -> None:
        """Add the mark, or what became of it, by the kind of dirt that hit it."""
        marks = taken.marks
        marks.append(mark)
        if kind == "twice_equal":
            marks.append(mark)
        elif kind == "twice_different":
            marks.append(mark._replace(code="R" if mark.code != "R" else "M"))
            del taken.first[row], taken.final[row]
        elif kind == "long_code":
            marks[-1] = mark._replace(code="free text where a code belongs " * 6 + "x" * 14)
            del taken.first[row], taken.final[row]
        elif kind == "unknown_pupil":
            marks.append(self._stranger(mark))
        elif kind == "withdrawal":
            taken.corrections.append(mark._replace(code="-", minutes_late=None))
            taken.final[row] = None
        elif not kind:
            taken.clean.append(mark)

    def _correct(self, register: _Register, taken: _Taken, *, amend_only: bool) -> Submission:
        """The corrections of a register: as an amendment, or as the whole register sent once more."""
        at = self._taken_at(register) + self.random.randint(35, 120) * _MINUTE
        sent = {mark.pupil: mark.code for mark in taken.marks}
        corrections = [mark._replace(amended=self._amended(sent[mark.pupil], at)) for mark in taken.corrections]
        if self.random.random() < 0.3 and not amend_only:
            self.script.counts["whole_register_amended"] += 1
            return self._submission(register, [*taken.clean, *corrections], at, revision=2)
        return self._submission(register, corrections, at, complete=False, revision=2)

    def _late_arrival(self, register: _Register, base: Submission, taken: _Taken, later: list[Submission]) -> None:
        """A whole register at +20 minutes, and then, late, a mark of +10: older than the re-assertion, superseded."""
        later.append(self._submission(register, taken.marks, base.submitted_at + 20 * _MINUTE, revision=2))
        late = taken.clean[0]._replace(code="N" if taken.clean[0].code != "N" else "I", minutes_late=None)
        later.append(
            self._submission(register, [late], base.submitted_at + 10 * _MINUTE, complete=False, revision=3),
        )

    def _extras(self, groups: list[tuple[str, list[int]]]) -> None:
        """What a school sends besides: other dates, an empty register, lesson marks."""
        day, script = self.day.session_date, self.script
        group, rows = groups[self.random.randrange(len(groups))]
        morning = _Register(group, "AM", 3, session_opens(day, self.school.times[1]))
        at = self._taken_at(morning) + 5 * 60 * _MINUTE
        placed = [row for row in rows if row not in self.unplaceable]
        for kind in ("far_off_date", "dated_ahead", "outside_calendar", "empty_register", "lesson_marks"):
            if self.random.random() >= getattr(self.dirt, kind) or (kind == "lesson_marks" and not self.school.lessons):
                continue
            script.counts[kind] += 1
            if kind == "lesson_marks":
                marks = [self._mark(row, "/" if self.random.random() < 0.9 else "O", None) for row in rows]
                lesson = self._submission(morning, marks, at)
                lesson.period = "P1"
                script.submissions[3].append(lesson)
                continue
            few = placed[:2]
            code = {"dated_ahead": "C", "empty_register": "/"}.get(kind, "I")
            marks = [] if kind == "empty_register" else [self._mark(row, code, None) for row in few]
            extra = self._submission(morning, marks, at, complete=kind == "empty_register", revision=9)
            if kind == "far_off_date":
                extra.session_date = day.replace(year=FAR_OFF_YEAR, day=min(day.day, 28))
            elif kind != "empty_register":
                extra.session_date = self.ahead if kind == "dated_ahead" else self.calendar.closed_before(day)
                for row in few:
                    self.end[self.school.urn, row, extra.session_date, "AM"] = code
            script.submissions[3].append(extra)

    def _submission(
        self,
        register: _Register,
        marks: list[SentMark],
        submitted_at: datetime,
        *,
        complete: bool = True,
        revision: int = 1,
    ) -> Submission:
        return Submission(
            submission_id=str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            urn=self.school.urn,
            source=self.school.source,
            group_id=register.group,
            session_date=self.day.session_date,
            session=register.session,
            complete=complete,
            revision=revision,
            submitted_at=submitted_at,
            opened_at=register.closes - 25 * _MINUTE,
            closed_at=register.closes,
            code_scheme=self.school.code_scheme,
            marks=marks,
            taken_by=f"S{self.random.randint(1, 90):03d}",
        )

    def _taken_at(self, register: _Register) -> datetime:
        """When the group's register was submitted: within four minutes of its closing, the same on every call."""
        spread = sum(register.group.encode()) % 240
        return register.closes + timedelta(seconds=spread)

    def _amended(self, original: str, at: datetime) -> Amended:
        choice = self.random.randrange(4)
        staff = f"S{self.random.randint(1, 90):03d}"
        return Amended(original, _REASONS[choice], staff, "attendance officer", _EVIDENCE[choice], at - _MINUTE)

    def _mark(self, row: int, code: str, minutes: int | None) -> SentMark:
        return SentMark(row, "upn" if self.by_upn else "mis", self.refs[row - self.rows.start], code, minutes)

    def _stranger(self, mark: SentMark) -> SentMark:
        """A mark of somebody whom no roster knows."""
        number = self.random.randrange(10_000, 99_999)
        ref = f"A{self.school.la_code}9999{number % 100:02d}{number % 1000:03d}" if self.by_upn else f"99{number}"
        return mark._replace(pupil=UNKNOWN, ref=ref)

    def _as_the_school_says(self, code: str) -> str:
        local = _LOCAL.get(code) if self.school.code_scheme == DIALECT else None
        if local is None or self.random.random() >= self.dirt.local_code:
            return code
        self.script.counts["local_code"] += 1
        return local

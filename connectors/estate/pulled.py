"""The script of a school that is pulled: how the records of its MIS come, change and go, whatever its make."""

from __future__ import annotations

import random
from datetime import date

from connectors.estate.day import CODES, NO_MARK, Day
from connectors.estate.dirt import LOCAL_CODES, UNKNOWN_CODES, WITHDRAWN, Dirt
from connectors.estate.makes import MAKES
from connectors.estate.messages import UNKNOWN, PulledChange, PulledRecord
from connectors.estate.pupils import Pupils
from connectors.estate.registers import STARTS_AS_N, edges_of, groups_of, pick
from connectors.estate.schools import School
from connectors.estate.script import EndKey, Script

__all__ = ["LESSON_PERIODS", "write_records"]

#: Lesson periods of schools with lesson marks: name, begin and end, and the session they lie in.
LESSON_PERIODS: tuple[tuple[str, str, str, str], ...] = (
    ("P1", "09:10", "10:10", "AM"),
    ("P2", "10:15", "11:15", "AM"),
    ("P5", "14:00", "15:00", "PM"),
)
_LOCAL = {canonical: raw for raw, canonical in LOCAL_CODES.items()}
_PER_MARK = ("withdrawn_code", "unknown_code", "withdrawal", "deletion", "twice_equal", "unknown_pupil")


def write_records(
    seed: int, school: School, pupils: Pupils, day: Day, dirt: Dirt, ahead: date, script: Script
) -> dict[EndKey, str]:
    """Append the changes at the school's MIS of the day to `script`; returns what must stand of them in the end."""
    return _Writer(seed, school, pupils, day, dirt, ahead, script).write()


class _Writer:
    def __init__(
        self, seed: int, school: School, pupils: Pupils, day: Day, dirt: Dirt, ahead: date, script: Script
    ) -> None:
        self.school, self.pupils, self.day, self.dirt, self.ahead, self.script = (
            school, pupils, day, dirt, ahead, script
        )  # fmt: skip
        self.make = MAKES[school.make]
        self.random = random.Random(f"{seed}/{school.make}/{school.urn}/{day.session_date}")
        self.per_mark = edges_of(dirt, _PER_MARK)
        self.end: dict[EndKey, str] = {}
        self.records = 0

    def write(self) -> dict[EndKey, str]:
        groups = groups_of(self.pupils, self.school)
        for session, tick in (("AM", 0), ("PM", 2)):
            for group, rows in groups:
                if self.random.random() < self.dirt.missing_register:
                    self.script.counts["missing_register"] += 1
                    self.script.missing.add((self.school.urn, group, self.day.session_date, session))
                    continue
                for row in rows:
                    self._mark(row, session, tick)
        if self.random.random() < self.dirt.dated_ahead:
            self.script.counts["dated_ahead"] += 1
            for row in groups[0][1][:2]:
                self._stands(self._create(3, row, "AM", "C", session_date=self.ahead))
        if self.school.lessons and self.make.lessons and self.random.random() < self.dirt.lesson_marks:
            self._lessons(groups[self.random.randrange(len(groups))][1])
        return self.end

    def _mark(self, row: int, session: str, tick: int) -> None:
        number = int((self.day.am if session == "AM" else self.day.pm)[row])
        if number == NO_MARK:
            return
        draw, counts = self.random.random, self.script.counts
        final = CODES[number]
        kind = pick(draw(), self.per_mark)
        if kind:
            counts[kind] += 1
        elif final == "\\" and draw() < self.dirt.wrong_present:
            final = "/"
            counts["wrong_present"] += 1
        if kind == "withdrawn_code":
            final = self.random.choice(WITHDRAWN)
        elif kind == "unknown_code":
            final = self.random.choice(UNKNOWN_CODES)
        final = self._as_the_school_says(final)
        unsure = STARTS_AS_N.get(CODES[number], 0.0)
        if not kind and draw() < unsure:
            counts["amendment"] += 1
            record = self._create(tick, row, session, "N")
            self._stands(record, final)
            self._change(tick + 1, record, final)
            return
        record = self._create(tick, row, session, final)
        if kind == "withdrawal":
            self._change(tick + 1, record, "-")
        elif kind == "deletion":
            self._delete(tick, record, row, session, final)
        else:
            self._stands(record)
        if kind == "twice_equal":
            # A second record for the same pupil and session is met now and then: Wonde is known for it.
            if self.make.place is None:
                self._create(tick, row, session, final)
            record.twice = self.make.place is not None
        elif kind == "unknown_pupil":
            self._create(tick, UNKNOWN, session, final)

    def _delete(self, tick: int, record: PulledRecord, row: int, session: str, code: str) -> None:
        """Gone after a pull may have seen it; gone before any did; or gone and made anew, under another id where ids do
        not name places: there it is first away for a while."""
        way = self.random.randrange(3)
        if way == 2 and self.make.place is not None:
            gone = tick + 1 if session == "AM" else tick
            self._change(gone, record, None)
            self._change(gone + 1, record, code)
            self._stands(record)
            return
        self._change(tick if way == 0 else tick + 1, record, None)
        if way == 2:
            self._stands(self._create(tick + 1, row, session, code))

    def _lessons(self, rows: list[int]) -> None:
        for row in rows:
            self.script.counts["lesson_marks"] += 1
            code = "/" if self.random.random() < 0.9 else "O"
            self._create(3, row, LESSON_PERIODS[0][3], code, period=LESSON_PERIODS[0][0])

    def _create(
        self,
        tick: int,
        row: int,
        session: str,
        code: str,
        *,
        session_date: date | None = None,
        period: str | None = None,
    ) -> PulledRecord:
        day = self.day.session_date
        known = row != UNKNOWN
        pupil_ref = self.school.pupil_id(row) if known else self.make.stranger_id(self.random.randrange(10**7, 10**8))
        if self.make.place is None:
            record_id = self.make.record_id(self.school.index, day.toordinal() % 10_000, self.records)
        else:
            record_id = self.make.place(pupil_ref, session_date or day, session, period)
        record = PulledRecord(
            record_id=record_id,
            pupil=row,
            pupil_ref=pupil_ref,
            session_date=session_date or day,
            session=session,
            code=code,
            period=period,
        )
        self.records += 1
        self.script.changes[tick].append(PulledChange(self.school.urn, record.record_id, code, record))
        return record

    def _change(self, tick: int, record: PulledRecord, code: str | None) -> None:
        self.script.changes[tick].append(PulledChange(self.school.urn, record.record_id, code))

    def _stands(self, record: PulledRecord, code: str | None = None) -> None:
        self.end[self.school.urn, record.pupil, record.session_date, record.session] = code or record.code

    def _as_the_school_says(self, code: str) -> str:
        local = _LOCAL.get(code) if self.school.pulled_scheme != "national" else None
        if local is None or self.random.random() >= self.dirt.local_code:
            return code
        self.script.counts["local_code"] += 1
        return local

"""The MIS of pulled schools that only exports: files in a folder that a CSV drop watches, one folder a school.

Half of the schools export as SIMS' reports do (days first, Windows-1252, `;`, the time of the export is the file's),
half as Arbor's BI connector (UTF-8, `EXPORTED_AT` in every row). What a day's four ticks leave there:

    0   a whole export of the day
    1   SIMS: what changed, as a file of its own; Arbor: a whole export. And the first file once more, as it was
    2   a whole export, of which half is written: its last line breaks off
    3   its other half; a whole export; and what is marked for other days, in a file of its own

So amendments come in later files, and what is gone is in no later whole one: nothing else tells of it (rule 18).
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from connectors.estate.dirt import LOCAL_CODES
from connectors.estate.messages import millis
from connectors.estate.pupils import BOARDER, PART_TIME, PRE_ADMISSION, year_name
from connectors.estate.script import TICKS
from connectors.estate.server import Serving
from rollcall.domain.clock import to_the_millisecond

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PulledRecord
    from connectors.estate.schools import School

__all__ = ["CsvDropFolder"]

_SIMS = (
    "PersonID", "Surname", "Forename", "AttendanceDate", "SessionName", "AttendanceMark", "MinsLate",
    "SIMS_Display_Code", "Statutory_Return_Code", "Comment",
)  # fmt: skip
_ARBOR = (
    "APPLICATION_ID", "STUDENT_ID", "STUDENT_NAME", "DATE", "PERIOD", "RAW_MARK", "MARK_CODE", "MINUTES_LATE", "NOTE",
    "EXPORTED_AT",
)  # fmt: skip
_PUPILS = (
    "PersonID", "UPN", "MisId", "Surname", "Forename", "DateOfBirth", "EnrolmentStatus", "AdmissionDate", "LeavingDate",
    "CurrentNCYear", "RegForm", "Boarder", "PartTime", "HomeLACode",
)  # fmt: skip
_MILLISECOND = timedelta(milliseconds=1)


class CsvDropFolder(Serving):
    """The exports of the estate's schools that have nothing else, below `folder`. Rosters lie there from the start."""

    make = "csvdrop"
    needs_secret = False
    options: ClassVar[Mapping[str, str]] = {
        "names": "whole-{first_day}-*.csv; *.csv",
        "complete": "yes",
        "dates": "dd/mm/yyyy",
        "quiet_seconds": "0.2",
    }

    def __init__(self, estate: Estate, folder: Path) -> None:
        super().__init__(estate)
        self._folder = folder.absolute()
        self._taken_at: dict[int, datetime] = {}
        self._first: dict[int, tuple[Path, bytes, datetime]] = {}
        self._unfinished: dict[int, tuple[Path, bytes, datetime]] = {}
        for school in self.schools.values():
            self._of(school).mkdir(parents=True, exist_ok=True)
            _drop(
                self._of(school) / "pupils.csv", _file(_PUPILS, self._pupils(school), ",", "utf-8"), self._now(school)
            )
        estate.exports.append(self.export)

    @property
    def base_url(self) -> str:
        """file: and the folder."""
        return f"file:{self._folder}"

    def close(self) -> None:
        """Export nothing more. What was dropped stays."""
        self.estate.exports.remove(self.export)

    def waiting(self) -> int:
        """How many files of marks nobody has taken yet, or not to the end."""
        return sum(
            file.suffix == ".csv"
            for school in self.schools.values()
            for folder in (self._of(school), self._of(school) / "taking")
            for file in (folder.iterdir() if folder.exists() else ())
        )

    def export(self, tick: int) -> None:
        """What each school leaves in its folder after a tick."""
        part, day = tick % TICKS, self.estate.dates[tick // TICKS]
        with self.estate.lock:
            for school in self.schools.values():
                if part == 1 and _like_sims(school):
                    self._drop_changed(school, tick, day)
                else:
                    self._drop_whole(school, tick, day)
                if part == 1:
                    self._drop_again(school)
                elif part == TICKS - 1:
                    self._drop_changed(school, tick, None)

    def _drop_whole(self, school: School, tick: int, day: date) -> None:
        held = [one for one in self.estate.records.get(school.urn, {}).values() if one.session_date == day]
        self._finish(school)
        at = self._now(school)
        path = self._of(school) / f"whole-{day:%Y%m%d}-{tick}.csv"
        alive = [one for one in held if one.deleted_at is None]
        content = self._marks(school, alive, at)
        for record in held:
            if record.deleted_at is None:
                record.served.append(record.code)
            elif record.served and record.served[-1] is not None:
                record.served.append(None)
        if tick % TICKS == 0:
            self._first[school.urn] = path, content, at
        if tick % TICKS == TICKS - 2 and len(alive) > 1:
            half = len(content[: len(content) // 2].rstrip())
            self._unfinished[school.urn] = path, content[half:], at
            content = content[:half]
        _drop(path, content, at)

    def _drop_changed(self, school: School, tick: int, day: date | None) -> None:
        """What the tick has changed of its day; None: of other days."""
        held, today = self.estate.records.get(school.urn, {}), self.estate.dates[tick // TICKS]
        ids = dict.fromkeys(change.record_id for change in self.estate.script.changes[tick] if change.urn == school.urn)
        changed = [
            held[one]
            for one in ids
            if held[one].deleted_at is None and (held[one].session_date == today) == (day is not None)
        ]
        if changed:
            at = self._now(school)
            _drop(self._of(school) / f"changed-{tick}.csv", self._marks(school, changed, at), at)
            for record in changed:
                record.served.append(record.code)

    def _drop_again(self, school: School) -> None:
        """The day's first file once more, as it was then: whoever reads it late reads what was."""
        _drop(*self._first[school.urn])

    def _finish(self, school: School) -> None:
        if school.urn in self._unfinished:
            path, rest, at = self._unfinished.pop(school.urn)
            with path.open("ab") as file:
                file.write(rest)
            os.utime(path, ns=_nanoseconds(at))

    def _marks(self, school: School, records: Sequence[PulledRecord], at: datetime) -> bytes:
        rows = [row for one in records for row in [self._mark(school, one, at)] * (2 if one.twice else 1)]
        if _like_sims(school):
            return _file(_SIMS, rows, ";", "cp1252")
        return _file(_ARBOR, rows, ",", "utf-8")

    def _mark(self, school: School, record: PulledRecord, at: datetime) -> list[str]:
        day, shown, number = record.session_date, record.code, record.sequence
        statutory = LOCAL_CODES.get(shown, shown)
        remark = f"Remark-{number}" if number % 50 == 0 else ""
        if _like_sims(school):
            return [
                record.pupil_ref, f"Surname-{number}é", f"Forename-{number}", f"{day:%d/%m/%Y}", record.session,
                shown, "", shown, statutory, remark,
            ]  # fmt: skip
        exported = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
        return [
            str(school.urn), record.pupil_ref, f"Surname-{number}, Forename-{number}", day.isoformat(), record.session,
            shown, statutory, "", remark, exported,
        ]  # fmt: skip

    def _pupils(self, school: School) -> Iterable[list[str]]:
        pupils, day = self.estate.pupils, self.estate.dates[0]
        for row, upn in zip(pupils.of(school), self.estate.upns(school), strict=True):
            first, last = pupils.enrolled(row, day)
            flags = int(pupils.flags[row])
            yield [
                school.pupil_id(row), upn, pupils.mis_id(row), f"Surname-{row}", f"Forename-{row}",
                f"{pupils.born(row, day):%d/%m/%Y}",
                "pre-admission" if flags & PRE_ADMISSION else pupils.census_status(row),
                f"{first:%d/%m/%Y}", "" if last is None else f"{last:%d/%m/%Y}",
                year_name(int(pupils.year[row])), pupils.group(row),
                "yes" if flags & BOARDER else "no", "yes" if flags & PART_TIME else "no",
                pupils.residence(row, school),
            ]  # fmt: skip

    def _of(self, school: School) -> Path:
        return self._folder / school.source_id

    def _now(self, school: School) -> datetime:
        """The time of an export, to the millisecond, later than the school's one before."""
        now = to_the_millisecond(datetime.now(UTC))
        before = self._taken_at.get(school.urn)
        self._taken_at[school.urn] = now if before is None else max(now, before + _MILLISECOND)
        return self._taken_at[school.urn]


def _like_sims(school: School) -> bool:
    return school.urn % 2 == 0


def _file(headings: Sequence[str], rows: Iterable[Sequence[str]], separator: str, encoding: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([headings, *rows])
    return out.getvalue().encode(encoding)


def _drop(path: Path, content: bytes, at: datetime) -> None:
    """Put a file there in one move, last written at `at`."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_bytes(content)
    os.utime(beside, ns=_nanoseconds(at))
    beside.replace(path)


def _nanoseconds(at: datetime) -> tuple[int, int]:
    changed = millis(at) * 1_000_000
    return changed, changed

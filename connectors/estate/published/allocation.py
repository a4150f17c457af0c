"""Giving the pupils of a cell their marks, so that every count of the cell comes out, pupils counted once each.

Pupils are numbered. The first `persistent` are the absentees: absent sessions go round that ring by a pointer that is
carried over sessions and days, so that each is absent at least once, and nobody else ever is. Attending marks go to the
other pupils with possible sessions first, from an offset that is carried too, so that each has at least one; what is
left goes to absentees who are not absent in that session. Who has a possible session in a day is on roll, as far as
the cell's own counts allow it: four of 454 do not. Marks of no possible session go to the last pupils who have none. A
pupil has one mark a session, or none: what a cell does not say is a missing mark, never an absence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from connectors.estate.published.cells import Cell, Day
from rollcall.domain.codes import BY_CODE

__all__ = ["NONE", "Allocation", "allocate", "differences"]

#: No mark.
NONE = ""
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Allocation:
    """Marks of a cell. `school`: each pupil's school, by rank; `on_roll` and `marks` (AM, PM): by day and pupil."""

    cell: Cell
    school: Ints
    on_roll: npt.NDArray[np.bool_]
    marks: npt.NDArray[np.str_]

    @property
    def schools(self) -> int:
        """How many schools the cell has."""
        return int(self.school.max()) + 1


def allocate(cell: Cell) -> Allocation:
    """Marks for every day of the cell. Raises ValueError when its counts contradict each other."""
    return _Dealer(cell).deal()


def differences(dealt: Allocation) -> list[str]:
    """What of the cell does not come out when it is counted again from the pupils; empty when everything does."""
    found = []
    for number, day in enumerate(dealt.cell.days):
        codes, counts = np.unique(dealt.marks[number], return_counts=True)
        marks = {str(code): int(count) for code, count in zip(codes, counts, strict=True) if code != NONE}
        reporting = len(np.unique(dealt.school[(dealt.marks[number] != NONE).any(axis=0)]))
        on_roll = int((dealt.on_roll[number] & (dealt.school < day.schools)).sum())
        told = {
            "marks": (marks, dict(day.marks)),
            "schools": (reporting, day.schools),
            "enrolments": (on_roll, day.enrolments),
        }
        for what, (ours, theirs) in told.items():
            if ours != theirs:
                found.append(f"{_named(dealt.cell, day)}: {what} {ours}, not {theirs}")
    if dealt.cell.pupils is not None:
        sessions = _possible(dealt.marks).sum(axis=(0, 1))
        absences = np.isin(dealt.marks, [code for code in BY_CODE if _is_absence(code)]).sum(axis=(0, 1))
        pupils = (int((sessions > 0).sum()), int(((10 * absences >= sessions) & (sessions > 0)).sum()))
        if pupils != (dealt.cell.pupils, dealt.cell.persistent):
            found.append(f"{_named(dealt.cell)}: pupils {pupils}, not {(dealt.cell.pupils, dealt.cell.persistent)}")
    return found


class _Dealer:
    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        schools = [day.schools for day in cell.days]
        self._most, self._fewest = max(schools), min(schools)
        self._absentees = cell.persistent if cell.persistent is not None else max(map(_absences, cell.days))
        self._with_possible = cell.pupils if cell.pupils is not None else max(map(_needed, cell.days))
        self._size_of_late = self._late_size()
        late = (self._most - self._fewest) * self._size_of_late
        pool = max(
            max(day.enrolments, _ceil_half(sum(day.marks.values())), *_codes_of_a_session(day)) for day in cell.days
        )
        self._pupils = max(self._with_possible, pool + late)
        self._school = self._schools()
        self._ring = self._offset = 0

    def deal(self) -> Allocation:
        days, pupils = len(self._cell.days), self._pupils
        marks = np.full((days, 2, pupils), NONE, "<U2")
        on_roll = np.zeros((days, pupils), np.bool_)
        for number, day in enumerate(self._cell.days):
            reports = self._school < day.schools
            self._day(day, reports, marks[number])
            here = np.flatnonzero(reports)
            if len(here) < day.enrolments:
                raise ValueError(f"{_named(self._cell, day)}: {day.enrolments} on roll, {len(here)} pupils")
            on_roll[number] = ~reports
            on_roll[number, _marked_first(here, marks[number])[: day.enrolments]] = True
        return Allocation(self._cell, self._school, on_roll, marks)

    def _late_size(self) -> int:
        """Pupils of each school that does not report every day."""
        missing = self._most - self._fewest
        if not missing:
            return 0
        need = max(_needed(day) for day in self._cell.days if day.schools < self._most)
        spare = min(self._with_possible - need, self._with_possible - self._absentees)
        return max(1, min(self._with_possible // self._most, spare // missing))

    def _schools(self) -> Ints:
        """Schools that always report have pupils in turn; the others the last of those who have possible sessions."""
        school = np.arange(self._pupils, dtype=np.int64) % max(self._fewest, 1)
        late = self._most - self._fewest
        if late:
            first = self._with_possible - late * self._size_of_late
            if first < self._absentees:
                raise ValueError(f"{_named(self._cell)}: too few pupils for the schools that report on some days only")
            school[first : self._with_possible] = self._fewest + np.arange(late * self._size_of_late) % late
        return school

    def _day(self, day: Day, reports: Bools, marks: npt.NDArray[np.str_]) -> None:
        counts = dict(day.marks)
        ring = np.flatnonzero(reports[: self._absentees])
        others = self._absentees + np.flatnonzero(reports[self._absentees : self._with_possible])
        room = min(len(ring) + len(others), max(day.enrolments, _needed(day)))
        present = _present(counts, room)
        attending = _Pile({code: n for code, n in counts.items() if _attends(code)})
        absent = _Pile({code: n for code, n in counts.items() if _is_absence(code)})
        totals, absences = _halves(present, attending.left, absent.left, room, len(ring), _named(self._cell, day))
        counts_of = [totals[session] - absences[session] for session in (0, 1)]
        # The afternoon's go on where the morning's ended, but for no more pupils than are on roll that day.
        later = min(max(day.enrolments - len(ring) - counts_of[1], 0), counts_of[0])
        for session in (0, 1):
            gone = _round(ring, self._ring, absences[session])
            self._ring = (self._ring + absences[session]) % max(len(ring), 1)
            marks[session, gone] = absent.take(absences[session])
            # Whoever has a mark in the other session comes first.
            twice = (
                marks[0] != NONE if session else np.isin(np.arange(self._pupils), _round(ring, self._ring, absences[1]))
            )
            there = ring[~np.isin(ring, gone)]
            there = there[np.argsort(~twice[there], kind="stable")]
            in_turn = np.concatenate([_round(others, self._offset + session * later, len(others)), there])
            count = counts_of[session]
            codes = np.concatenate([present[session], attending.take(count - len(present[session]))])
            marks[session, in_turn[:count]] = codes
        self._offset = (self._offset + max(counts_of[0], later + counts_of[1])) % max(len(others), 1)
        self._see_every_school(day, reports, marks)
        rest = _Pile({code: n for code, n in counts.items() if not BY_CODE[code].in_possible_sessions})
        free = [np.flatnonzero(reports & (marks[session] == NONE))[::-1] for session in (0, 1)]
        least, most = max(0, rest.left - len(free[1])), min(rest.left, len(free[0]))
        if least > most:
            raise ValueError(
                f"{_named(self._cell, day)}: {rest.left} marks of no possible session for {len(free[0])} pupils"
            )
        morning = min(max((rest.left + 1) // 2, least), most)
        for session, part in ((0, morning), (1, rest.left - morning)):
            marks[session, free[session][:part]] = rest.take(part)

    def _see_every_school(self, day: Day, reports: Bools, marks: npt.NDArray[np.str_]) -> None:
        """A school that reports has a mark: where chance gave it none, one of another school's changes the pupil."""
        seen = np.bincount(self._school[(marks != NONE).any(axis=0)], minlength=self._most)
        for school in np.flatnonzero(seen[: day.schools] == 0):
            mine = np.flatnonzero((self._school == school)[: self._with_possible])[:1]
            attending = np.isin(marks[0], ["/"]) & (self._school != school) & (seen[self._school] > 1)
            if not len(mine) or not attending.any():
                raise ValueError(f"{_named(self._cell, day)}: a school would report nothing")
            marks[0, mine[0]] = "/"
            marks[0, np.flatnonzero(attending)[-1]] = NONE


class _Pile:
    """Codes to be dealt, shuffled the same way each time, so that the last session is not all of one code."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._codes = np.repeat(list(counts), list(counts.values())) if counts else np.array([], "<U2")
        np.random.default_rng(len(self._codes)).shuffle(self._codes)
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._codes) - self._at

    def take(self, count: int) -> npt.NDArray[np.str_]:
        self._at += count
        return self._codes[self._at - count : self._at]


def _marked_first(here: Ints, marks: npt.NDArray[np.str_]) -> Ints:
    """The same pupils, those with a possible session before the others: whose sessions count is on roll (rule 20)."""
    possible = _possible(marks[:, here]).any(axis=0)
    return np.concatenate([here[possible], here[~possible]])


def _present(counts: dict[str, int], room: int) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """`/` in the morning and `\\` in the afternoon; what a session has no room for is dealt in the other (R2)."""
    morning, afternoon = counts.pop("/", 0), counts.pop("\\", 0)
    am, pm = min(morning, room), min(afternoon, room)
    if morning > am or afternoon > pm:
        first = np.concatenate([np.repeat("/", am), np.repeat("\\", afternoon - pm)])
        second = np.concatenate([np.repeat("\\", pm), np.repeat("/", morning - am)])
        return first, second
    return np.repeat("/", am), np.repeat("\\", pm)


def _halves(
    present: tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]],
    attending: int,
    absent: int,
    room: int,
    ring: int,
    named: str,
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Possible sessions and absences of the morning and the afternoon."""
    am, pm = len(present[0]), len(present[1])
    others = attending + absent
    lowest, highest = max(0, others - (room - pm)), min(others, room - am)
    if lowest > highest:
        raise ValueError(f"{named}: {am + pm + others} possible sessions for {room} pupils")
    others_am = min(max((others + 1) // 2, lowest), highest)
    least, most = max(0, absent - min(ring, others - others_am)), min(absent, ring, others_am)
    if least > most:
        raise ValueError(f"{named}: {absent} absences for {ring} absentees")
    absent_am = min(max((absent + 1) // 2, least), most)
    return (am + others_am, pm + others - others_am), (absent_am, absent - absent_am)


def _round(among: Ints, start: int, count: int) -> Ints:
    """`count` of `among`, from `start` on and on from the beginning again."""
    return among[(start + np.arange(count)) % max(len(among), 1)]


def _possible(marks: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    """Which marks are of possible sessions."""
    return np.isin(marks, [code for code in BY_CODE if BY_CODE[code].in_possible_sessions])


def _attends(code: str) -> bool:
    return BY_CODE[code].counts_as_attendance


def _is_absence(code: str) -> bool:
    return BY_CODE[code].in_possible_sessions and not BY_CODE[code].counts_as_attendance


def _absences(day: Day) -> int:
    return sum(number for code, number in day.marks.items() if _is_absence(code))


def _needed(day: Day) -> int:
    """Pupils that the possible sessions of a day take at least."""
    possible = sum(number for code, number in day.marks.items() if BY_CODE[code].in_possible_sessions)
    return _ceil_half(possible)


def _codes_of_a_session(day: Day) -> Iterator[int]:
    yield day.marks.get("/", 0)
    yield day.marks.get("\\", 0)


def _ceil_half(number: int) -> int:
    return (number + 1) // 2


def _named(cell: Cell, day: Day | None = None) -> str:
    return f"{cell.la_name}, {cell.phase}" + ("" if day is None else f", {day.day}")

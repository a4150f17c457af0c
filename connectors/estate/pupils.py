"""The pupils of the estate, as columns: made in a second for a trust, in under a minute for the nation.

A pupil here is a row number. Nothing names a person: a pupil has a school, a year group, a form, references that
sources use (MIS id, UPN) and a propensity to be absent that is drawn so that the published bands hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from connectors.estate.frequencies import BANDS, NOT_POSSIBLE, OVERALL_ABSENCE, SEVERE_WIDTH, family
from connectors.estate.schools import LAS, School

__all__ = [
    "BOARDER",
    "DUAL",
    "LEAVER",
    "PART_TIME",
    "PRE_ADMISSION",
    "UPN_INVALID",
    "UPN_SHARED",
    "Pupils",
    "make_pupils",
    "upn_letters",
    "year_name",
]

LEAVER, PRE_ADMISSION, BOARDER, PART_TIME, UPN_INVALID, UPN_SHARED, DUAL = (1 << bit for bit in range(7))

#: Pupils of a form, by kind of school.
_FORM = {"Primary": 28, "Nursery": 24, "Secondary": 27, "Special": 9, "PRU/AP": 8}
_BAND_WIDTH = 0.05
#: Shapes of the Beta distribution within the first band, within the others, within the last.
_FIRST, _MIDDLE, _LAST = (1.6, 2.0), (1.0, 1.6), (1.0, 2.2)
#: The alphabet of a UPN's check letter: no I, O or S (domain facts 5).
_LETTERS = np.array(list("ABCDEFGHJKLMNPQRTUVWXYZ"))


@dataclass(frozen=True)
class Pupils:
    """Columns of equal length, sorted by school; row i is pupil i.

    school: index of the school. number: running number in the school. year: -2 N1, -1 N2, 0 R, 1 to 13.
    form: letter of the class, from 0. absence: share of possible sessions the pupil misses in a year.
    phase: index in `FAMILIES`. ticket: uniform in [0, 1), the pupil's place in every day's draw.
    flags: bits above. upn_of: the pupil whose UPN this one carries (itself, but for shared UPNs and dual
    registration). starts: first row of each school, with the total at the end.
    """

    school: NDArray[np.int32]
    number: NDArray[np.int32]
    year: NDArray[np.int8]
    form: NDArray[np.int16]
    absence: NDArray[np.float64]
    phase: NDArray[np.int8]
    ticket: NDArray[np.float64]
    flags: NDArray[np.uint8]
    upn_of: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.school)

    def has(self, flag: int) -> NDArray[np.bool_]:
        """Which pupils carry `flag`."""
        carried: NDArray[np.bool_] = (self.flags & np.uint8(flag)) != 0
        return carried

    def of(self, school: School) -> range:
        """Rows of a school."""
        return range(int(self.starts[school.index]), int(self.starts[school.index + 1]))

    def mis_id(self, pupil: int) -> str:
        """What the school's own system calls the pupil. Numbers repeat from school to school, as in life."""
        return str(10_000 + int(self.number[pupil]))

    def group(self, pupil: int) -> str:
        """The pupil's registration group."""
        return group_name(int(self.year[pupil]), int(self.form[pupil]))

    def upns(self, schools: Sequence[School], rows: NDArray[np.int64], academic_year: int) -> NDArray[np.str_]:
        """UPNs of `rows` in the academic year that begins in `academic_year`; invalid ones carry a wrong letter."""
        holder = self.upn_of[rows]
        school = self.school[holder]
        la = np.array([int(one.la_code) for one in schools])[school]
        establishment = 2_000 + school % 7_000
        joined = (academic_year - np.maximum(self.year[holder], 0).astype(np.int64)) % 100
        serial = self.number[holder] % 1_000
        number = ((la * 10_000 + establishment) * 100 + joined) * 1_000 + serial
        wrong = self.has(UPN_INVALID)[rows]
        letters = upn_letters(number, shift=wrong.astype(np.int64))
        made: NDArray[np.str_] = np.char.add(letters, np.char.zfill(number.astype("U12"), 12))
        return made

    def enrolled(self, pupil: int, day: date) -> tuple[date, date | None]:
        """First and last day on roll, both inclusive, as the roster of `day` says. Leavers left five days ago."""
        begin = academic_year_of(day)
        year = max(int(self.year[pupil]), 0)
        first = date(begin - (year if year < 7 else year - 7 if year < 12 else year - 12), 9, 1)
        return first, day - timedelta(days=5) if self.flags[pupil] & LEAVER else None

    def born(self, pupil: int, day: date) -> date:
        """Date of birth, of the age that the year group of the academic year of `day` has."""
        return date(academic_year_of(day) - (int(self.year[pupil]) + 4) - 1, 10, 1 + pupil % 28)

    def residence(self, pupil: int, school: School) -> str:
        """Code of the authority in whose area the pupil lives: for one of twelve another than the school's."""
        codes = [la[0] for la in LAS]
        away = int(self.ticket[pupil] * 12_000) % 12 == 0
        return codes[(codes.index(school.la_code) + 1) % len(codes)] if away else school.la_code

    def census_status(self, pupil: int) -> str:
        """The school census' enrolment status: C current (single), M main and S subsidiary of a dual registration."""
        if not self.flags[pupil] & DUAL:
            return "C"
        return "M" if int(self.upn_of[pupil]) == pupil else "S"


def academic_year_of(day: date) -> int:
    """The calendar year in which the academic year of `day` begins (1 September)."""
    return day.year if day.month >= 9 else day.year - 1


def year_name(year: int) -> str:
    """'N1', 'N2', 'R', '1' to '13'."""
    return {-2: "N1", -1: "N2", 0: "R"}.get(year, str(year))


def group_name(year: int, form: int) -> str:
    """Name of a registration group: year and letter, '7A'."""
    letters = chr(65 + form % 26)
    return f"{year_name(year)}{letters if form < 26 else letters + str(form // 26)}"


def upn_letters(number: NDArray[np.int64], shift: NDArray[np.int64] | int = 0) -> NDArray[np.str_]:
    """Check letters of 12-digit numbers: sum of digit x position (2 to 13), modulo 23. `shift` spoils them."""
    digits = (number[:, None] // 10 ** np.arange(11, -1, -1)) % 10
    letters: NDArray[np.str_] = _LETTERS[(digits @ np.arange(2, 14) + shift) % 23]
    return letters


def mean_propensity(phase: str) -> float:
    """Expected absence of the bands' distribution of a published phase, as a share."""
    shares = np.array(BANDS[phase]) / sum(BANDS[phase])
    middle = _MIDDLE[0] / sum(_MIDDLE)
    means = np.arange(11) * _BAND_WIDTH + _BAND_WIDTH * middle
    means[0] = _BAND_WIDTH * _FIRST[0] / sum(_FIRST)
    means[10] = 0.5 + SEVERE_WIDTH * _LAST[0] / sum(_LAST)
    return float(shares @ means)


FAMILIES: tuple[str, ...] = tuple(OVERALL_ABSENCE)


def make_pupils(seed: int, schools: Sequence[School]) -> Pupils:
    """Pupils of `schools`, the same for the same arguments."""
    random = np.random.default_rng([seed, 2])
    sizes = np.array([school.pupils for school in schools])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    total = int(starts[-1])
    school = np.repeat(np.arange(len(schools), dtype=np.int32), sizes)
    number = (np.arange(total) - starts[school]).astype(np.int32)
    phase = np.array([FAMILIES.index(family(one.phase)) for one in schools], np.int8)[school]
    year, form = _years_and_forms(schools, sizes)
    flags = _flags(random, schools, school, year)
    upn_of = np.arange(total)
    _share_upns(random, school, flags, upn_of)
    _dual_registration(random, schools, starts, year, flags, upn_of)
    return Pupils(
        school=school,
        number=number,
        year=year,
        form=form,
        absence=_propensities(random, phase),
        phase=phase,
        ticket=random.random(total),
        flags=flags,
        upn_of=upn_of,
        starts=starts,
    )


def _years_and_forms(schools: Sequence[School], sizes: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int16]]:
    """Pupils in order of their number fill the years evenly (half as many in the sixth form), and the years' forms."""
    year = np.empty(int(sizes.sum()), np.int8)
    form = np.empty(int(sizes.sum()), np.int16)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for one in schools:
        rows = slice(int(starts[one.index]), int(starts[one.index + 1]))
        years, weights = _year_span(one)
        edges = np.floor(np.cumsum(weights) / weights.sum() * one.pupils).astype(int)
        place = np.searchsorted(edges, np.arange(one.pupils), side="right")
        year[rows] = years[place]
        nth = np.arange(one.pupils) - np.concatenate([[0], edges])[place]
        forms = np.maximum(1, np.ceil(np.diff(np.concatenate([[0], edges])) / _FORM[one.phase])).astype(int)[place]
        form[rows] = nth % forms
    return year, form


def _year_span(school: School) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    first, last = {"Primary": (0, 6), "Nursery": (-2, -1), "Secondary": (7, 11), "Special": (1, 11), "PRU/AP": (8, 11)}[
        school.phase
    ]
    first = -1 if school.nursery_class and school.phase == "Primary" else first
    last = 13 if school.sixth_form else last
    years = np.arange(first, last + 1, dtype=np.int8)
    return years, np.where(years > 11, 0.5, 1.0)


def _flags(
    random: np.random.Generator, schools: Sequence[School], school: NDArray[np.int32], year: NDArray[np.int8]
) -> NDArray[np.uint8]:
    draw = random.random((3, len(school)))
    flags = np.zeros(len(school), np.uint8)
    flags[draw[0] < 0.004] |= LEAVER
    flags[(draw[0] >= 0.004) & (draw[0] < 0.004 + NOT_POSSIBLE["Z"] / 100)] |= PRE_ADMISSION
    flags[draw[1] < 0.002] |= UPN_INVALID
    flags[(year < 0) & (draw[2] < 0.5)] |= PART_TIME
    boarding = np.array([one.boarding for one in schools])[school]
    flags[boarding & (draw[2] < 0.01)] |= BOARDER
    return flags


def _share_upns(
    random: np.random.Generator, school: NDArray[np.int32], flags: NDArray[np.uint8], upn_of: NDArray[np.int64]
) -> None:
    """One pupil in a thousand carries the UPN of the pupil before (rule 5); both are flagged."""
    chosen = np.flatnonzero((random.random(len(school)) < 0.001) & (np.arange(len(school)) > 0))
    taken: set[int] = set()
    for pupil in chosen.tolist():
        other = pupil - 1
        if school[other] != school[pupil] or {pupil, other} & taken or (flags[pupil] | flags[other]) & UPN_INVALID:
            continue
        taken |= {pupil, other}
        upn_of[pupil] = other
        flags[pupil] |= UPN_SHARED
        flags[other] |= UPN_SHARED


def _dual_registration(
    random: np.random.Generator,
    schools: Sequence[School],
    starts: NDArray[np.int64],
    year: NDArray[np.int8],
    flags: NDArray[np.uint8],
    upn_of: NDArray[np.int64],
) -> None:
    """Half the pupils of an AP provider stay on the roll of a mainstream school, with the same UPN."""
    secondaries = [one for one in schools if one.phase == "Secondary"]
    if not secondaries:
        return
    for provider in (one for one in schools if one.phase == "PRU/AP"):
        home = secondaries[provider.index % len(secondaries)]
        homes = np.arange(starts[home.index], starts[home.index + 1])
        homes = homes[(flags[homes] == 0) & (year[homes] >= 8) & (year[homes] <= 11)]
        rows = np.arange(starts[provider.index], starts[provider.index + 1])
        rows = rows[(flags[rows] == 0) & (rows % 2 == 0)][: len(homes)]
        twins = random.choice(homes, len(rows), replace=False)
        upn_of[rows] = twins
        flags[rows] |= DUAL
        flags[twins] |= DUAL


def _propensities(random: np.random.Generator, phase: NDArray[np.int8]) -> NDArray[np.float64]:
    """Absence of each pupil over a year, so that the published bands hold: independent marks would put everybody near
    the mean."""
    absence = np.empty(len(phase))
    for place, name in enumerate(FAMILIES):
        rows = np.flatnonzero(phase == place)
        shares = np.array(BANDS[name]) / sum(BANDS[name])
        band = random.choice(11, len(rows), p=shares)
        within = random.beta(*_MIDDLE, len(rows))
        within = np.where(band == 0, random.beta(*_FIRST, len(rows)), within)
        severe = 0.5 + SEVERE_WIDTH * random.beta(*_LAST, len(rows))
        absence[rows] = np.where(band == 10, severe, band * _BAND_WIDTH + within * _BAND_WIDTH)
    return absence

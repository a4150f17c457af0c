"""What really happened on a day: for every pupil the settled code of the morning and of the afternoon.

The truth before any source speaks of it. Who is absent is a low-discrepancy draw: pupil i is absent on day d when
frac(ticket_i + d x golden ratio) falls under the pupil's propensity. Over a year each pupil's rate is then the
propensity itself, so that the published bands hold, and on each day the absent pupils are a fair sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from connectors.estate.frequencies import ABSENCE_REASONS, ACTIVITY, LATE, NOT_POSSIBLE, OVERALL_ABSENCE
from connectors.estate.pupils import BOARDER, DUAL, FAMILIES, PART_TIME, PRE_ADMISSION, Pupils, mean_propensity

__all__ = ["CODES", "NO_MARK", "Day", "absent", "close_site", "draw_day"]

#: Codes by number in the columns below.
CODES: tuple[str, ...] = (
    "/", "\\", "L", "I", "M", "R", "S", "T", "E", "C", "C1", "C2", "J1", "G", "U", "O", "N", "B", "K", "P", "V", "W",
    "D", "Z", "#", "Y7", "Y4", "Y3", "Y1", "Y2", "Q", "Y6", "Y5", "X",
)  # fmt: skip
#: No mark is due: a boarder, a part-time pupil's afternoon.
NO_MARK = 255

_NUMBER = {code: number for number, code in enumerate(CODES)}
_GOLDEN = 0.6180339887498949
#: The afternoon's draw is shifted a little, so that some absences last half a day.
_AFTERNOON_SHIFT = 0.002
#: Share of lateness that falls on the morning (published: AM present is lower because L is mostly AM).
_LATE_IN_THE_MORNING = 0.93
#: What a closed site leaves as it is: of these sessions nothing was possible, whatever the weather.
_NEVER_POSSIBLE = np.array([*(_NUMBER[code] for code in (*NOT_POSSIBLE, "X")), NO_MARK], np.uint8)


@dataclass(frozen=True)
class Day:
    """Columns by pupil: code numbers of both sessions (NO_MARK when none is due) and minutes late (0 when not late)."""

    session_date: date
    am: NDArray[np.uint8]
    pm: NDArray[np.uint8]
    minutes_late: NDArray[np.uint8]


def absent(pupils: Pupils, day: date, *, settle: bool = True) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Who is absent in the morning and in the afternoon of `day`.

    With `settle` the propensities are scaled to the published absence of 2025/26; without, the bands of 2022/23 hold.
    """
    scale = np.ones(len(FAMILIES))
    if settle:
        scale = np.array([OVERALL_ABSENCE[name] / 100 / mean_propensity(name) for name in FAMILIES])
    chance = pupils.absence * scale[pupils.phase]
    place = pupils.ticket + day.toordinal() * _GOLDEN
    return place % 1.0 < chance, (place + _AFTERNOON_SHIFT) % 1.0 < chance


def draw_day(seed: int, pupils: Pupils, day: date) -> Day:
    """The day's truth, the same for the same arguments."""
    random = np.random.default_rng([seed, 3, day.toordinal()])
    total = len(pupils)
    gone_am, gone_pm = absent(pupils, day)
    reason = np.empty(total, np.uint8)
    activity = np.zeros(total, np.uint8)
    late_am, late_pm = np.empty(total), np.empty(total)
    draw = random.random((4, total))
    for place, name in enumerate(FAMILIES):
        rows = pupils.phase == place
        # U falls on mornings only, so mornings need twice its share of the day.
        reasons = {**ABSENCE_REASONS[name], "U": 2 * ABSENCE_REASONS[name]["U"]}
        reason[rows] = _pick(draw[0][rows], reasons)
        present = 100 - OVERALL_ABSENCE[name]
        doing = {code: share / present for code, share in ACTIVITY[name].items()}
        doing["/"] = 1 - sum(doing.values())
        activity[rows] = _pick(draw[1][rows], doing)
        late = 2 * LATE[name] / present
        late_am[rows] = late * _LATE_IN_THE_MORNING
        late_pm[rows] = late * (1 - _LATE_IN_THE_MORNING)
    late_code = _NUMBER["L"]
    am = np.where(gone_am, reason, np.where((activity == 0) & (draw[2] < late_am), late_code, activity))
    pm = np.where(gone_pm, reason, np.where((activity == 0) & (draw[3] < late_pm), late_code, activity))
    am, pm = am.astype(np.uint8), pm.astype(np.uint8)
    pm[pm == _NUMBER["U"]] = _NUMBER["\\"]  # who came after the morning register closed is there in the afternoon
    pm[pm == _NUMBER["/"]] = _NUMBER["\\"]
    _not_possible(random, pupils, am, pm)
    minutes = np.where((am == late_code) | (pm == late_code), random.integers(1, 25, total), 0)
    minutes = np.where(am == _NUMBER["U"], random.integers(31, 120, total), minutes)
    return Day(day, am, pm, minutes.astype(np.uint8))


def close_site(day: Day, rows: NDArray[np.bool_]) -> Day:
    """The same day where the whole site is unexpectedly closed for the pupils of these rows: Y4 in place of whatever
    they would have been marked, present or absent."""

    def closed(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.where(rows & ~np.isin(codes, _NEVER_POSSIBLE), np.uint8(_NUMBER["Y4"]), codes)

    return replace(
        day, am=closed(day.am), pm=closed(day.pm), minutes_late=np.where(rows, np.uint8(0), day.minutes_late)
    )


def _pick(draw: NDArray[np.float64], weights: dict[str, float]) -> NDArray[np.uint8]:
    numbers = np.array([_NUMBER[code] for code in weights], np.uint8)
    edges = np.cumsum(list(weights.values()))
    return numbers[np.minimum(np.searchsorted(edges / edges[-1], draw, side="right"), len(numbers) - 1)]


def _not_possible(random: np.random.Generator, pupils: Pupils, am: NDArray[np.uint8], pm: NDArray[np.uint8]) -> None:
    """Codes outside possible sessions: by circumstance for anybody, Z before admission, D at the mainstream school of a
    pupil who is also at an AP provider; and those of whom no mark is due."""
    circumstances = {code: share / 100 for code, share in NOT_POSSIBLE.items() if code not in ("D", "Z")}
    draw = random.random(len(pupils))
    hit = draw < sum(circumstances.values())
    codes = _pick(draw[hit] / sum(circumstances.values()), circumstances)
    am[hit], pm[hit] = codes, codes
    sixth = (pupils.year > 11) & (random.random(len(pupils)) < 0.3)
    pm[sixth] = _NUMBER["X"]
    own = pupils.upn_of == np.arange(len(pupils))
    elsewhere = pupils.has(DUAL) & own
    am[elsewhere], pm[elsewhere] = _NUMBER["D"], _NUMBER["D"]
    waiting = pupils.has(PRE_ADMISSION)
    am[waiting], pm[waiting] = _NUMBER["Z"], _NUMBER["Z"]
    boarders = pupils.has(BOARDER)
    am[boarders], pm[boarders] = NO_MARK, NO_MARK
    pm[pupils.has(PART_TIME)] = NO_MARK

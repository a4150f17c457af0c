"""The smallest nation that gives every published figure of 1 February 2023 when it is rounded: a search, in tenths.

For each phase: which numbers of schools can be open, restricted and closed so that the shares round as published. Then
the smallest sum of three phases whose pooled shares round as published too, then the fewest schools of unknown status,
then the fewest schools in all.
"""

from __future__ import annotations

from typing import NamedTuple

#: In tenths of a per cent: open, restricted, closed.
PHASES = {"Primary": (521, 387, 91), "Secondary": (174, 736, 90), "Special": (288, 577, 135)}
TOTAL, RESPONDED, RESPONSE = (459, 447, 93), (439, 428, 89), 773
#: No nation is looked for that is larger; the smallest is well below.
_LIMITS = {"Primary": 1_700, "Secondary": 350, "Special": 150}

Known = tuple[int, int, int]


class Smallest(NamedTuple):
    """Schools of known status by phase (open, restricted, closed), of unknown status that responded, and all."""

    known: dict[str, Known]
    unknown: int
    schools: int


def smallest() -> Smallest:
    """The one. Special and secondary schools beyond the limits would make a larger nation."""
    special, secondary, primary = (_possible(*PHASES[one], _LIMITS[one]) for one in ("Special", "Secondary", "Primary"))
    nations = sorted((s + t + p, s, t, p) for s in special for t in secondary for p in primary)
    for known, s, t, p in nations:
        for parts in ((a, b, c) for a in primary[p] for b in secondary[t] for c in special[s]):
            pooled = tuple(map(sum, zip(*parts, strict=True)))
            if _shares(pooled, known) != TOTAL:
                continue
            for unknown in range(known):
                if _shares(pooled, known + unknown) == RESPONDED:
                    schools = next(
                        n for n in range(known + unknown, 2 * known) if _tenths(known + unknown, n) == RESPONSE
                    )
                    return Smallest(dict(zip(PHASES, parts, strict=True)), unknown, schools)
    raise AssertionError("there is none within the limits")


def _possible(opened: int, restricted: int, closed: int, limit: int) -> dict[int, list[Known]]:
    """Number of schools -> the ways to deal them that round as published."""
    found: dict[int, list[Known]] = {}
    for schools in range(1, limit):
        for one in _near(opened, schools):
            for other in _near(closed, schools):
                rest = schools - one - other
                if rest >= 0 and _shares((one, rest, other), schools) == (opened, restricted, closed):
                    found.setdefault(schools, []).append((one, rest, other))
    return found


def _near(tenths: int, schools: int) -> range:
    return range(max(0, tenths * schools // 1_000 - 1), tenths * schools // 1_000 + 3)


def _shares(parts: tuple[int, ...], of: int) -> tuple[int, ...]:
    return tuple(_tenths(part, of) for part in parts)


def _tenths(part: int, of: int) -> int:
    """Half up."""
    return (2_000 * part + of) // (2 * of)

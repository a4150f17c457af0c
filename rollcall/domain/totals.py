"""How the rates of a Total over phases are made when attendance is published: the one place that says so.

From 2025/26 on a Total pools the phases: counts are added, rates come last. Until 2024/25 the Department weighted the
phases by the pupils on the rolls of all schools, of those that sent nothing too, and published no Total of an authority
(repository dfe-analytical-services/attendance-data-dashboard, R/prerun_utils.R; weighting removed by its commit 0aee85c
of 15 September 2025, before the first edition of 2025/26). Counts are plain sums in both. Our own reports pool always
(rule 19).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from rollcall.domain.identity import academic_year

__all__ = ["WEIGHTED_UNTIL", "is_weighted", "weighted"]

#: The last academic year whose Totals are weighted.
WEIGHTED_UNTIL = "2024/25"


def is_weighted(day: date) -> bool:
    """Whether the Total of a row about this session date, or about days up to it, is weighted."""
    return academic_year(day) <= WEIGHTED_UNTIL


def weighted(phases: Iterable[tuple[Fraction | None, int]]) -> Fraction | None:
    """The rate of a Total out of (rate, enrolments of all schools) of its phases; None when none has a rate.

    A phase without a rate, because it has no possible session, weighs nothing.
    """
    told = [(rate, enrolments) for rate, enrolments in phases if rate is not None]
    weight = sum(enrolments for _, enrolments in told)
    return sum((rate * enrolments for rate, enrolments in told), Fraction()) / weight if weight else None

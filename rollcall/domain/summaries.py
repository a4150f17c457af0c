"""A source's own summary of each pupil's marks in an academic year, compared with what we hold. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from rollcall.domain.codes import NO_MARK
from rollcall.domain.comparison import Pupil

__all__ = ["NOT_COMPARED", "Summary", "SummaryComparison", "compare_summaries"]

#: Codes that are counted and shown, and are no difference: a system may count the days on which the school is closed
#: from its calendar, without a record for each pupil, and what is no mark is none with us (rule 3).
NOT_COMPARED = frozenset({"#", NO_MARK, ""})
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class Summary(NamedTuple):
    """One pupil's session marks of the year so far. codes: raw code -> marks. updated_at: when it was counted, UTC."""

    pupil: Pupil
    codes: Mapping[str, int]
    updated_at: datetime | None = None


@dataclass(slots=True)
class SummaryComparison:
    """What was found. theirs, ours: raw code -> marks, of the pupils that are compared; differing: code -> pupils.

    pupils: compared. pupils_differing: of them, those with another count of some code. not_pulled_yet: pupils who
    differ, and whose summary is newer than the last pull. without_summary: pupils with marks of whom the source
    summarises nothing (they may have left). superseded: summaries that another of the same pupil replaces. The last
    three are no differences.
    """

    theirs: Counter[str] = field(default_factory=Counter)
    ours: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    pupils: int = 0
    pupils_differing: int = 0
    not_pulled_yet: int = 0
    without_summary: int = 0
    superseded: int = 0


def compare_summaries(
    theirs: Iterable[Summary], ours: Mapping[Pupil, Mapping[str, int]], pulled_at: datetime | None = None
) -> SummaryComparison:
    """Compare per code and pupil. Of two summaries of a pupil the later is taken; of equally old ones the last.

    ours: pupil -> raw code -> marks, of the same days. pulled_at: when the last whole pull began, UTC.
    """
    found = SummaryComparison()
    latest: dict[Pupil, Summary] = {}
    for summary in theirs:
        known = latest.get(summary.pupil)
        found.superseded += known is not None
        if known is None or (summary.updated_at or _BEFORE_ALL) >= (known.updated_at or _BEFORE_ALL):
            latest[summary.pupil] = summary
    for pupil, summary in latest.items():
        held = ours.get(pupil, {})
        differing = [
            code
            for code in sorted({*summary.codes, *held} - NOT_COMPARED)
            if summary.codes.get(code, 0) != held.get(code, 0)
        ]
        newer = pulled_at is not None and summary.updated_at is not None and summary.updated_at > pulled_at
        if differing and newer:
            found.not_pulled_yet += 1
            continue
        found.pupils += 1
        found.pupils_differing += bool(differing)
        found.differing.update(differing)
        found.theirs.update(summary.codes)
        found.ours.update(held)
    found.without_summary = sum(pupil not in latest for pupil in ours)
    return found

"""A cut of a snapshot as a strike day's table takes it: when it was known, who had answered, what is still to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rollcall.cli._coverage import coverage, newest
from rollcall.cli._difference import waiting
from rollcall.domain.clock import now
from rollcall.errors import UsageError

if TYPE_CHECKING:
    from datetime import date, datetime

    from clickhouse_connect.driver.client import Client

    from connectors.snapshots.record import CutRecord, Snapshot
    from rollcall.domain.strike import Declared
    from sinks.strike import Cut

__all__ = ["cut_of", "day_of", "line"]

#: How a school of several sources stands at a cut, the best first; however else one stands, it has failed.
_BEST = ("answered", "late")
#: Behind the deadline: who has no end by then is silent.
_AFTER = timedelta(milliseconds=1)


def cut_of(
    client: Client, snapshot: Snapshot, label: str, declared: Sequence[Declared], earlier: Mapping[int, str] | None
) -> Cut:
    """The cut of a label, or `last`: the newest that somebody has begun. Raises UsageError when it is not over."""
    from sinks.snapshots import known
    from sinks.strike import Cut

    schedule = snapshot.schedule
    wanted = None if label == "last" else schedule.cut(label)
    record = newest(snapshot) if wanted is None else next(one for one in snapshot.cuts if one.cut == wanted)
    if not record.begun:
        raise UsageError(f"nobody has asked at {record.cut.label}: there is nothing to publish")
    if record.over_at is None and now() < schedule.due(record.cut):
        raise UsageError(f"the cut {record.cut.label} is open until {schedule.due(record.cut):%H:%M:%S} UTC")
    found = known(client, schedule.label(record.cut), snapshot.end(record))
    to_come = waiting(record, found.pages, found.unfinished)
    then, after = _as_known(record, found.at), max(found.at, schedule.due(record.cut) + _AFTER)
    facts = {"snapshot": schedule.name, "coverage": coverage(snapshot, then, after)}
    stands = _stands(snapshot, then, after)
    return Cut(schedule.day, record.cut.label, found.at, True, to_come, stands, declared, earlier, facts)


def day_of(day: date, declared: Sequence[Declared], earlier: Mapping[int, str] | None) -> Cut:
    """A session date as it stands now, without a snapshot."""
    from sinks.strike import Cut

    return Cut(day, "", now(), declared=declared, earlier=earlier, facts={"snapshot": None, "coverage": None})


def _as_known(record: CutRecord, at: datetime) -> CutRecord:
    """The record of a cut that was over as it was at an instant: who ended later had no end."""
    schools = {
        place: school if school.ended_at is None or school.ended_at <= at
        else replace(school, ended_at=None, outcome=None, why="", marks=0, pages=0, only_changes=False, held=None)
        for place, school in record.schools.items()
    }  # fmt: skip
    return replace(record, schools=schools)


def _stands(snapshot: Snapshot, record: CutRecord, at: datetime) -> dict[int, str]:
    best: dict[int, str] = {}
    for school in record.schools.values():
        said = snapshot.stands(record, school, at)
        stands = said if said in _BEST else "failed"
        best[school.urn] = min(stands, best.get(school.urn, stands), key=(*_BEST, "failed").index)
    return best


def line(manifest: Mapping[str, Any], total: Mapping[str, str]) -> str:
    """The table in a line: of schools whose status is known, and how many responded."""
    shares = ", ".join(f"{name} {total[f'{name}_percent_of_known']} %" for name in ("open", "restricted", "closed"))
    at = f" at {manifest['cut']}" if manifest["cut"] else ""
    return (
        f"{manifest['session_date']}{at}: {shares} of {int(total['schools_known']):,} schools whose"
        f" status is known; {total['response_percent']} % of {int(total['schools']):,} schools responded"
    )

"""The coverage of a snapshot's cut: who has answered, who has not and why; as a document and for a person."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rollcall.cli._listed import table
from rollcall.domain.clock import LONDON, now

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.snapshots.record import CutRecord, Snapshot

__all__ = ["coverage", "line", "newest", "print_coverage", "schools"]

#: How a school stands at a cut, in the order in which they are told.
_STANDS = ("answered", "late", "failed", "refused", "silent", "asked", "waiting")
_UNASKED = "not asked by the deadline"


def newest(snapshot: Snapshot) -> CutRecord:
    """The last cut that somebody has begun; the first when none is."""
    return next((one for one in reversed(snapshot.cuts) if one.begun), snapshot.cuts[0])


def coverage(snapshot: Snapshot, record: CutRecord, at: datetime | None = None) -> dict[str, Any]:
    """How a cut stands at an instant (None: now): schools by how they stand, in all and by source; why some have not
    answered; sources of which not even the schools could be had. marks: pulled at this cut; held: records of the day at
    the schools that answered, pulled now or before; asked_for_changes: schools read for what changed only."""
    at = at or now()
    stands = {place: snapshot.stands(record, school, at) for place, school in record.schools.items()}
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    for (source, _), one in stands.items():
        by_source[source][one] += 1
    answered = sum(one == "answered" for one in stands.values())
    why = Counter(
        school.why or _UNASKED
        for place, school in record.schools.items()
        if stands[place] in ("failed", "refused", "silent")
    )
    return {
        "name": snapshot.schedule.name,
        "date": snapshot.schedule.day.isoformat(),
        "cut": record.cut.label,
        "at": _text(record.cut.at),
        "due": _text(snapshot.schedule.due(record.cut)),
        "over_at": _text(record.over_at),
        "state": _state(snapshot, record, at),
        "whole": record.begun and answered == len(stands) and not record.lost,
        "schools": len(stands),
        "counts": _counts(Counter(stands.values())),
        "marks": sum(school.marks for school in record.schools.values()),
        "held": sum(school.held or 0 for school in record.schools.values()),
        "asked_for_changes": sum(school.only_changes for school in record.schools.values()),
        "why": dict(why.most_common()),
        "by_source": {source: _counts(counted) for source, counted in sorted(by_source.items())},
        "sources_lost": dict(record.lost),
    }


def schools(
    snapshot: Snapshot, record: CutRecord, at: datetime, local_authorities: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Every school of a cut. age_seconds: how old its last whole answer is, at this cut or an earlier one, by `at` or,
    if that is earlier, when the cut closed; None when there is none."""
    until = min(at, snapshot.schedule.closes(record.cut))
    rows = []
    for school in record.schools.values():
        last = snapshot.last_answer(record, school.source, school.school)
        stands = snapshot.stands(record, school, at)
        rows.append(
            {
                "source": school.source,
                "school": school.school,
                "urn": school.urn,
                "local_authority": local_authorities.get(school.urn),
                "stands": stands,
                "why": school.why or (_UNASKED if stands == "silent" and school.asked_at is None else ""),
                "asked_at": _text(school.asked_at),
                "ended_at": _text(school.ended_at),
                "marks": school.marks,
                "pages": school.pages,
                "held": school.held,
                "only_changes": school.only_changes,
                "last_answer_at": _text(last),
                "age_seconds": None if last is None else round(max(0.0, (until - last).total_seconds())),
            }
        )
    return rows


def line(found: Mapping[str, Any]) -> str:
    """A cut in a line, as it is told while the snapshot is taken."""
    if found["state"] == "missed":
        return f"{found['cut']}  missed: nobody asked"
    counts = ", ".join(f"{count:,} {stands}" for stands, count in found["counts"].items() if count)
    lost = "".join(f"; {source}: {why}" for source, why in found["sources_lost"].items())
    marks = f"{found['marks']:,} marks"
    if found["asked_for_changes"]:
        marks += f" of {found['held']:,} held, {found['asked_for_changes']:,} asked for changes only"
    return f"{found['cut']}  {found['schools']:,} schools: {counts or 'none'}; {marks}{lost}"


def print_coverage(found: Mapping[str, Any], cuts: Sequence[Mapping[str, Any]]) -> None:
    """Print a cut for a person: all cuts in a table, this one by source and authority, and every school that has not
    answered in time."""
    import typer

    typer.echo(f"{found['name']}: {found['date']}, cut {found['cut']} ({found['state']})\n")
    table(
        ("Cut", "Schools", *(one.capitalize() for one in _STANDS), "Marks", "Held", "Over"),
        (
            (
                one["cut"],
                one["schools"],
                *(one["counts"][stands] for stands in _STANDS),
                f"{one['marks']:,}",
                f"{one['held']:,}",
                _over(one),
            )
            for one in cuts
        ),
    )
    groups = {**found["by_source"], **_by_authority(found["of_schools"])}
    table(
        ("Source or local authority", *(one.capitalize() for one in _STANDS)),
        ((name, *(counts[one] for one in _STANDS)) for name, counts in groups.items()),
    )
    for source, why in found["sources_lost"].items():
        typer.echo(f"{source}: none of its schools could be asked: {why}")
    late = [one for one in found["of_schools"] if one["stands"] != "answered"]
    if not late:
        return
    table(
        ("URN", "Source", "School", "Local authority", "", "Last answer", "Why"),
        (
            (one["urn"], one["source"], one["school"], one["local_authority"], one["stands"], _age(one), one["why"])
            for one in sorted(late, key=lambda one: (_STANDS.index(one["stands"]), one["urn"]))
        ),
    )


def _by_authority(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for one in rows:
        if one["local_authority"]:
            found[one["local_authority"]][one["stands"]] += 1
    return {name: _counts(counted) for name, counted in sorted(found.items())}


def _state(snapshot: Snapshot, record: CutRecord, at: datetime) -> str:
    """ahead, missed, open (before the deadline), late answers may come, or closed."""
    if snapshot.missed(record, at):
        return "missed"
    if not record.begun:
        return "ahead"
    if at < snapshot.schedule.due(record.cut) and record.over_at is None:
        return "open"
    ended = all(school.outcome is not None for school in record.schools.values())
    return "closed" if ended or at >= snapshot.schedule.closes(record.cut) else "late answers may come"


def _over(found: Mapping[str, Any]) -> str:
    from datetime import datetime

    if found["over_at"] is None:
        return str(found["state"])
    return f"{datetime.fromisoformat(found['over_at']).astimezone(LONDON):%H:%M:%S}"


def _age(school: Mapping[str, Any]) -> str:
    seconds = school["age_seconds"]
    if seconds is None:
        return "never"
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"


def _counts(counted: Counter[str]) -> dict[str, int]:
    return {one: counted[one] for one in _STANDS}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")

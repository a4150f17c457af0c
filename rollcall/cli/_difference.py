"""What changed between two cuts of a snapshot, as a document and for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollcall.cli._listed import table
from rollcall.errors import UsageError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from connectors.snapshots.record import CutRecord, Snapshot
    from connectors.snapshots.schedule import Cut

__all__ = ["difference", "print_difference", "waiting"]

#: Schools that a person is shown at most; the document has all.
_SHOWN = 40


def difference(client: Client, snapshot: Snapshot, earlier: Cut, later: Cut) -> dict[str, Any]:
    """What the later cut says that the earlier did not: marks by code and by school, and who answered at one only.

    final: False while pages that came for a cut in time are still to be taken in, or a worker has not finished what it
    had by then; `waiting` says so in lines. Raises UsageError when a cut was not taken or is not over yet, or when the
    two are in the wrong order.
    """
    from rollcall.domain.clock import now
    from sinks.snapshots import changes, known

    if earlier.at >= later.at:
        raise UsageError(f"the earlier cut comes first: {later.label} {earlier.label}")
    schedule = snapshot.schedule
    records = [next(one for one in snapshot.cuts if one.cut == cut) for cut in (earlier, later)]
    for record in records:
        if not record.begun:
            raise UsageError(f"nobody has asked at {record.cut.label}: there is nothing to compare")
        if record.over_at is None and now() < schedule.due(record.cut):
            raise UsageError(f"the cut {record.cut.label} is open until {schedule.due(record.cut):%H:%M:%S} UTC")
    knowns = [known(client, schedule.label(record.cut), snapshot.end(record)) for record in records]
    to_come = [
        line for record, one in zip(records, knowns, strict=True) for line in waiting(record, one.pages, one.unfinished)
    ]
    found = changes(client, schedule.day, *knowns)
    by_code: Counter[tuple[str, str]] = Counter()
    by_school: dict[tuple[int, str], Counter[str]] = {}
    for change in found:
        by_code[change.before, change.after] += change.marks
        kinds = by_school.setdefault((change.urn, change.source), Counter())
        kinds["new" if not change.before else "withdrawn" if not change.after else "changed"] += change.marks
    answered = [_answered(record) for record in records]
    return {
        "name": schedule.name,
        "date": schedule.day.isoformat(),
        "cuts": [earlier.label, later.label],
        "known_at": [one.at.isoformat(timespec="milliseconds") for one in knowns],
        "final": not to_come,
        "waiting": to_come,
        "marks": sum(by_code.values()),
        "by_code": [
            {"before": before, "after": after, "marks": marks}
            for (before, after), marks in sorted(by_code.items(), key=lambda one: (-one[1], one[0]))
        ],
        "by_school": [
            {"urn": urn, "source": source, **{kind: kinds[kind] for kind in ("new", "changed", "withdrawn")}}
            for (urn, source), kinds in sorted(by_school.items())
        ],
        "changes": [change._asdict() for change in found],
        "answered_only": [_places(answered[0] - answered[1]), _places(answered[1] - answered[0])],
    }


def print_difference(found: Mapping[str, Any]) -> None:
    """Print it for a person."""
    import typer

    earlier, later = found["cuts"]
    typer.echo(f"{found['name']}: {found['date']}, {earlier} to {later}: {found['marks']:,} marks differ\n")
    table(
        ("Code", "Became", "Marks"),
        ((one["before"] or "(none)", one["after"] or "(withdrawn)", f"{one['marks']:,}") for one in found["by_code"]),
    )
    rows = sorted(found["by_school"], key=lambda one: -(one["new"] + one["changed"] + one["withdrawn"]))
    table(
        ("URN", "Source", "New", "Changed", "Withdrawn"),
        ((one["urn"], one["source"], one["new"], one["changed"], one["withdrawn"]) for one in rows[:_SHOWN]),
    )
    if len(rows) > _SHOWN:
        typer.echo(f"and {len(rows) - _SHOWN:,} schools more: --json has them all")
    for cut, only in zip(found["cuts"], found["answered_only"], strict=True):
        if only:
            schools = ", ".join(f"{one['urn']} ({one['source']})" for one in only)
            typer.echo(f"Answered at {cut} only: {schools}")
    for line in found["waiting"]:
        typer.secho(line, fg=typer.colors.RED)


def waiting(record: CutRecord, pages: int, unfinished: int) -> list[str]:
    """What of a cut is still to be taken in, when so many pages are and so many ranges are in hand; in lines."""
    sent = sum(school.pages for school in record.schools.values() if school.outcome == "answered")
    lines = []
    if pages < sent:
        lines.append(f"{record.cut.label}: {sent - pages:,} pages are not taken in yet: does a worker run?")
    if unfinished:
        lines.append(f"{record.cut.label}: a worker has {unfinished} ranges in hand: ask again in a moment")
    return lines


def _answered(record: CutRecord) -> set[tuple[int, str]]:
    return {(school.urn, school.source) for school in record.schools.values() if school.has_answered}


def _places(found: set[tuple[int, str]]) -> list[dict[str, Any]]:
    return [{"urn": urn, "source": source} for urn, source in sorted(found)]

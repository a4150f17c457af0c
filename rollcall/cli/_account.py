"""How `rollcall reconcile --source` shows what it found, for a person and as JSON. Pupils are never named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from rollcall.cli._listed import wrapped
from rollcall.domain.codes import shown
from rollcall.domain.comparison import DIFFERENCES, Comparison, Finding, Mark
from rollcall.domain.summaries import NOT_COMPARED, SummaryComparison

if TYPE_CHECKING:
    from rollcall.cli._second_pull import SchoolAccount

__all__ = ["as_json", "show"]

#: Records of one school in the JSON document at most: a source that is read wrongly differs in all of them.
_RECORDS = 10_000


def as_json(accounts: Sequence[SchoolAccount]) -> list[dict[str, Any]]:
    """An element for each school. Cells are those of which something is to be said; records have their ids."""
    return [
        {
            "source": one.source,
            "school": one.school,
            "urn": one.urn,
            "compared": not one.why,
            "why": one.why,
            "equal": one.proved,
            "last_whole_pull": None if one.pulled_at is None else one.pulled_at.isoformat(),
            "unreadable": dict(one.unreadable),
            **({} if one.marks is None else _marks(one.marks)),
            **({} if one.summary is None else _summary(one.summary)),
        }
        for one in accounts
    ]


def _marks(found: Comparison) -> dict[str, Any]:
    return {
        "theirs": found.theirs,
        "ours": found.ours,
        "same": found.equal,
        "quarantined": found.count("quarantined"),
        "not_pulled_yet": found.count("not_pulled_yet"),
        "differences": {kind: found.count(kind) for kind in DIFFERENCES if found.count(kind)},
        "cells": [
            {
                "date": cell.day.isoformat(),
                "session": cell.session,
                "period": cell.period or None,
                "code": shown(cell.code),
                "theirs": counts.theirs,
                "ours": counts.ours,
                "quarantined": counts.quarantined,
                "reasons": dict(counts.reasons),
                "not_pulled_yet": counts.not_pulled_yet,
                "difference": counts.difference,
                "kinds": dict(counts.kinds),
            }
            for cell, counts in sorted(found.cells.items())
            if counts.worth_showing
        ],
        "records": [_record(one) for one in found.differences[:_RECORDS]],
    }


def _record(one: Finding) -> dict[str, Any]:
    both = one.theirs is not None and one.ours is not None
    return {
        "kind": one.kind,
        "record": one.mark.record,
        "theirs": _place(one.theirs),
        "ours": _place(one.ours),
        "same_pupil": one.theirs.pupil == one.ours.pupil if both and one.theirs and one.ours else None,
    }


def _place(mark: Mark | None) -> dict[str, Any] | None:
    if mark is None:
        return None
    day, session, period = mark.slot
    return {"date": day.isoformat(), "session": session, "period": period or None, "code": shown(mark.code)}


def _summary(found: SummaryComparison) -> dict[str, Any]:
    return {
        "pupils": found.pupils,
        "pupils_differing": found.pupils_differing,
        "not_pulled_yet": found.not_pulled_yet,
        "without_summary": found.without_summary,
        "superseded_summaries": found.superseded,
        "codes": [
            {
                "code": shown(code),
                "theirs": found.theirs[code],
                "ours": found.ours[code],
                "pupils_differing": found.differing[code],
                "compared": code not in NOT_COMPARED,
            }
            for code in sorted({*found.theirs, *found.ours})
        ],
    }


def show(accounts: Sequence[SchoolAccount]) -> None:
    """School by school: one line, and a table where something is to be said."""
    for one in accounts:
        name = " ".join(str(part) for part in (one.source, one.school, one.urn) if part is not None)
        if one.why:
            typer.secho(f"{name}: not compared: {one.why}", fg=typer.colors.RED)
            continue
        if one.marks is not None:
            _show_marks(name, one.marks)
        if one.summary is not None:
            _show_summary(name, one.summary)
        if one.pulled_at is None:
            typer.echo("  it was never pulled whole: what the source has changed lately is not told apart")
        for reason, records in one.unreadable.items():
            typer.echo(f"  {records:,} records of the source cannot be read ({reason}): ours of them show as kept")
    if any(one.marks is not None and one.marks.count("missing") for one in accounts):
        typer.echo("A mark that waits on Kafka shows as missing: `rollcall reconcile` says whether any does.")


def _show_marks(name: str, found: Comparison) -> None:
    apart = {"in quarantine": found.count("quarantined"), "not pulled yet": found.count("not_pulled_yet")}
    beside = "".join(f", {count:,} {what}" for what, count in apart.items() if count)
    differing = sum(found.count(kind) for kind in DIFFERENCES)
    verdict = f"{differing:,} differ" if differing else "nothing differs"
    typer.secho(f"{name}: theirs {found.theirs:,}, ours {found.ours:,}{beside}: {verdict}", bold=True)
    rows = [
        (
            cell.day.isoformat(),
            cell.session,
            cell.period,
            shown(cell.code),
            *(str(count) for count in (counts.theirs, counts.ours, counts.quarantined, counts.not_pulled_yet)),
            str(counts.difference),
            _said([*counts.kinds.items(), *counts.reasons.items()]),
        )
        for cell, counts in sorted(found.cells.items())
        if counts.worth_showing
    ]
    headings = ("Day", "Session", "Lesson", "Code", "Theirs", "Ours", "Quarantine", "Not yet", "Differ", "What")
    if rows:
        wrapped(headings, rows)
    for kind, what in DIFFERENCES.items():
        if found.count(kind):
            typer.echo(f"  {kind}: {what}")


def _show_summary(name: str, found: SummaryComparison) -> None:
    verdict = f"{found.pupils_differing:,} differ" if found.pupils_differing else "none differs"
    typer.secho(f"{name}: {found.pupils:,} pupils: {verdict}", bold=True)
    for count, what in (
        (found.not_pulled_yet, "pupils differ and have a summary newer than the last pull: no difference"),
        (found.without_summary, "pupils with marks have no summary at the source: not compared"),
        (found.superseded, "summaries are replaced by another of the same pupil"),
    ):
        if count:
            typer.echo(f"  {count:,} {what}")
    rows = [
        (shown(code), str(found.theirs[code]), str(found.ours[code]), str(found.differing[code]))
        for code in sorted({*found.theirs, *found.ours})
        if found.theirs[code] != found.ours[code] or found.differing[code]
    ]
    if rows:
        wrapped(("Code", "Theirs", "Ours", "Pupils differing"), rows)
    if any(code in NOT_COMPARED for code in (*found.theirs, *found.ours)):
        typer.echo("  # and - are shown and never differ: a system may count them from its calendar")


def _said(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts)

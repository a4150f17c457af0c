"""`rollcall codes ... --categories`: what national codes count as, shown, compared, published and rolled back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from rollcall.cli._client import answer
from rollcall.cli._code_changes import figures_document, show_figures
from rollcall.cli._listed import table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from pathlib import Path

    from rollcall.domain.categories import CategoryRow, Differences, Span
    from sinks.categories import Document, DryRun

__all__ = ["diff", "history", "publish", "rollback", "show"]


def show(at: datetime | None, day: date | None, as_csv: bool, as_json: bool) -> None:
    """The document in force, or at an instant; of a session date what each code counts as."""
    from connectors.categories import written
    from rollcall.domain.categories import on
    from sinks.categories import in_force

    found = answer(lambda client: in_force(client, at))
    rows = found.rows if day is None else tuple(on(found.rows, day).values())
    if as_csv:
        typer.echo(written(rows), nl=False)
    elif as_json:
        typer.echo(json.dumps({**_told(found), "rows": [_row(row) for row in rows]}, indent=2, ensure_ascii=False))
    else:
        typer.echo(_headline(found))
        lines = ((row.code, row.valid_from or "…", row.valid_to or "…", _word(row.category), row.label) for row in rows)
        table(("Code", "From", "To", "Counts as", "Meaning"), lines)


def history(as_json: bool) -> None:
    """Every version, and what it said otherwise than the one before."""
    from rollcall.domain.categories import differences
    from sinks.categories import versions

    before: tuple[CategoryRow, ...] = ()
    documents, lines = [], []
    for one in answer(versions):
        what = differences(before, one.rows)
        before = one.rows
        documents.append({**_told(one), **_differing(what)})
        counts = (len(what.added), len(what.removed), len(what.changed))
        lines.append((one.version, _when(one), one.author, *counts, one.reason))
    if as_json:
        typer.echo(json.dumps(documents, indent=2, ensure_ascii=False))
    else:
        table(("Version", "Published", "Author", "Added", "Removed", "Changed", "Reason"), lines)


def diff(file: Path, first: date | None, last: date | None, as_json: bool) -> None:
    """What a document would change: rows, sessions and schools by code with their dates, and rates by phase."""
    from connectors.categories import read
    from rollcall.domain.categories import differences
    from sinks.categories import in_force, what_would_change

    rows = read(file)
    standing, found = answer(lambda client: (in_force(client), what_would_change(client, rows, first, last)))
    what = differences(standing.rows, rows)
    if as_json:
        document = {"against_version": standing.version, **_differing(what), **_document(found)}
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print_diff(standing, what, found)


def publish(file: Path, author: str, reason: str, as_json: bool) -> None:
    """Publish a document. Figures follow once the reference loader has applied it."""
    from connectors.categories import read

    _publish(read(file), author, reason, as_json)


def rollback(author: str, reason: str, to: int | None, as_json: bool) -> None:
    """Publish once more what an earlier version said. Raises UsageError while one is published and not in force."""
    from connectors.categories import newest
    from rollcall.errors import UsageError
    from rollcall.settings import Settings
    from sinks.categories import in_force, to_roll_back_to

    standing = answer(in_force)
    latest = newest(Settings.load())
    if latest is not None and latest > standing.published_at:
        raise UsageError(
            f"categories were published at {latest:%Y-%m-%d %H:%M:%S} UTC and are not in force yet: wait for the"
            " reference loader, or start it with `rollcall reference run`"
        )
    wanted = answer(lambda client: to_roll_back_to(client, to))
    _publish(wanted.rows, author, f"{reason} (as version {wanted.version})", as_json)


def _publish(rows: Sequence[CategoryRow], author: str, reason: str, as_json: bool) -> None:
    from connectors import categories
    from rollcall.errors import SchemaError
    from rollcall.settings import Settings
    from schemas.registry import RegistryAway

    try:
        categories.publish(Settings.load(), rows, author=author, reason=reason)
    except RegistryAway as error:
        raise SchemaError(str(error)) from None
    if as_json:
        typer.echo(json.dumps({"rows": len(rows)}))
    else:
        typer.echo(f"{len(rows)} rows; `rollcall codes history --categories` says when they are in force")


def _print_diff(standing: Document, what: Differences, found: DryRun) -> None:
    told = f"{len(what.added)} added, {len(what.removed)} removed, {len(what.changed)} changed"
    typer.echo(f"Rows, against version {standing.version}: {told}")
    rows = [
        *(("added", row.code, "", _said(row)) for row in what.added),
        *(("removed", row.code, _said(row), "") for row in what.removed),
        *(("changed", after.code, _said(before), _said(after)) for before, after in what.changed),
    ]
    if rows:
        table(("Row", "Code", "Was", "Is"), rows)
    typer.echo(f"{found.sessions:,} sessions of {found.schools:,} schools would count as something else")
    if not found.changes:
        return
    lines = (
        (one.span.code, _word(one.span.was), _word(one.span.becomes), _dates(one.span), f"{one.sessions:,}",
         f"{one.schools:,}", one.first_day, one.last_day)
        for one in found.changes
    )  # fmt: skip
    headings = ("Code", "Counts as", "Would count as", "On dates", "Sessions", "Schools", "First", "Last")
    table(headings, lines)
    show_figures(found.first, found.last, found.figures())


def _document(found: DryRun) -> dict[str, Any]:
    return {
        "sessions": found.sessions,
        "schools": found.schools,
        "by_code": [
            {
                "code": one.span.code, "was": one.span.was, "becomes": one.span.becomes, "sessions": one.sessions,
                "schools": one.schools, "first_day": one.first_day.isoformat(), "last_day": one.last_day.isoformat(),
            }
            for one in found.changes
        ],
        "by_phase": [
            {"phase": phase, "sessions": sessions, "schools": schools} for phase, sessions, schools in found.by_phase
        ],
        **figures_document(found.first, found.last, found.figures()),
    }  # fmt: skip


def _differing(what: Differences) -> dict[str, Any]:
    return {
        "added": [_row(row) for row in what.added],
        "removed": [_row(row) for row in what.removed],
        "changed": [{"before": _row(before), "after": _row(after)} for before, after in what.changed],
    }


def _told(one: Document) -> dict[str, Any]:
    return {
        "version": one.version, "published_at": None if one.built_in else one.published_at.isoformat(),
        "author": one.author, "reason": one.reason,
    }  # fmt: skip


def _headline(one: Document) -> str:
    if one.built_in:
        return "Categories as built in: nobody has published others"
    return f"Categories, version {one.version}: {one.reason} ({one.author}), published {_when(one)}"


def _when(one: Document) -> str:
    return "built in" if one.built_in else f"{one.published_at:%Y-%m-%d %H:%M:%S} UTC"


def _row(row: CategoryRow) -> dict[str, Any]:
    return {
        **row._asdict(), "valid_from": row.valid_from and row.valid_from.isoformat(),
        "valid_to": row.valid_to and row.valid_to.isoformat(),
    }  # fmt: skip


def _said(row: CategoryRow) -> str:
    dates = f" ({row.valid_from or '…'} to {row.valid_to or '…'})" if row.valid_from or row.valid_to else ""
    return f"{_word(row.category)}{dates}"


def _dates(span: Span) -> str:
    from rollcall.domain.clock import OPEN_END, OPEN_START

    first = "…" if span.first_day == OPEN_START else span.first_day.isoformat()
    last = "…" if span.last_day == OPEN_END else span.last_day.isoformat()
    return f"{first} to {last}"


def _word(category: str) -> str:
    return category.replace("_", " ")

"""What a code map says otherwise, and what it would change, as `rollcall codes` tells it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from rollcall.cli._listed import rate, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from rollcall.domain.categories import CategoryRow
    from rollcall.domain.code_maps import Differences
    from rollcall.domain.codes import MapEntry
    from sinks.code_maps import CodeMap, DryRun, Figures

    #: Phase, figures before and after.
    Compared = Sequence[tuple[str, Figures, Figures]]

__all__ = ["differing", "document", "entry", "figures_document", "show", "show_figures", "show_map"]

#: The rates that are told, by the count that they are of.
_RATES = ("attendance", "absence", "authorised", "unauthorised")
#: Codes that are none.
_WORDS = {"": "unknown", "-": "no mark"}


def entry(one: MapEntry) -> dict[str, Any]:
    """An entry as a document tells it."""
    return {
        "raw_code": one.raw_code, "canonical_code": one.canonical_code,
        "valid_from": one.valid_from and one.valid_from.isoformat(),
        "valid_to": one.valid_to and one.valid_to.isoformat(),
    }  # fmt: skip


def differing(what: Differences) -> dict[str, Any]:
    """Entries that differ, as a document tells them."""
    return {
        "added": [entry(one) for one in what.added],
        "removed": [entry(one) for one in what.removed],
        "changed": [{"before": entry(before), "after": entry(after)} for before, after in what.changed],
    }


def document(found: DryRun) -> dict[str, Any]:
    """A dry run as one document."""
    return {
        "marks": found.marks,
        "schools": found.schools,
        "by_code": [
            {"was": was, "becomes": becomes, "marks": marks, "schools": schools}
            for was, becomes, marks, schools in _by_code(found)
        ],
        "changes": [{**one._asdict(), "session_date": one.session_date.isoformat()} for one in found.changes],
        **figures_document(found.first, found.last, found.figures()),
    }


def figures_document(first: date | None, last: date | None, figures: Compared) -> dict[str, Any]:
    """Figures before and after between two session dates, as a document tells them."""
    return {
        "from": first and first.isoformat(),
        "to": last and last.isoformat(),
        "figures": [
            {"phase": phase, "before": _figures(before), "after": _figures(after)} for phase, before, after in figures
        ],
    }


def show(scheme: str, what: Differences, found: DryRun) -> None:
    """Print both for a person."""
    typer.echo(f"{scheme}: {len(what.added)} entries added, {len(what.removed)} removed, {len(what.changed)} changed")
    rows = [
        *(("added", "", _said(one), one) for one in what.added),
        *(("removed", _said(one), "", one) for one in what.removed),
        *(("changed", _said(before), _said(after), after) for before, after in what.changed),
    ]
    if rows:
        table(("Entry", "Raw code", "Was", "Is"), ((kind, one.raw_code or "(blank)", w, i) for kind, w, i, one in rows))
    typer.echo(f"{found.marks:,} current marks of {found.schools:,} schools would be others")
    if not found.changes:
        return
    counted = (
        (_word(was), _word(becomes), f"{marks:,}", f"{schools:,}") for was, becomes, marks, schools in _by_code(found)
    )
    table(("Counts now as", "Would count as", "Marks", "Schools"), counted)
    show_figures(found.first, found.last, found.figures())


def show_figures(first: date | None, last: date | None, compared: Compared) -> None:
    """Print figures before and after between two session dates for a person."""
    typer.echo(f"Headline sessions from {first} to {last}, before and after. Basis: statutory.")
    lines = []
    for phase, before, after in compared:
        for when, figures in (("before", before), ("after", after)):
            rates = (_rate(figures, name) for name in _RATES)
            lines.append((phase or "phase not known", when, f"{figures.possible:,}", *rates, f"{figures.unknown:,}"))
    headings = ("Phase", "", "Possible", "Attendance %", "Absence %", "Authorised %", "Unauthorised %", "Unknown")
    table(headings, lines)


def show_map(found: CodeMap, entries: Sequence[MapEntry], counted: Mapping[str, CategoryRow]) -> None:
    """Print a map. `counted`: what each national code counts as on the day that is shown."""

    told = f"{found.reason} ({found.author}), " if found.author else ""
    typer.echo(f"{found.scheme}, version {found.version}: {told}published {found.published_at:%Y-%m-%d %H:%M:%S} UTC")
    rows = (
        (
            entry.raw_code or "(blank)", entry.canonical_code, entry.valid_from or "…", entry.valid_to or "…",
            counted[entry.canonical_code].category.replace("_", " "), counted[entry.canonical_code].label,
        )
        for entry in entries
    )  # fmt: skip
    table(("Raw code", "Code", "From", "To", "Counts as", "Meaning"), rows)


def _by_code(found: DryRun) -> Sequence[tuple[str, str, int, int]]:
    """(was, becomes, marks, schools), most marks first."""
    marks: Counter[tuple[str, str]] = Counter()
    schools: dict[tuple[str, str], set[int]] = {}
    for one in found.changes:
        marks[one.was, one.becomes] += one.marks
        schools.setdefault((one.was, one.becomes), set()).add(one.urn)
    ordered = sorted(marks.items(), key=lambda of: (-of[1], of[0]))
    return [(*pair, number, len(schools[pair])) for pair, number in ordered]


def _figures(figures: Figures) -> dict[str, Any]:
    from sinks.reports import percent

    rates = {f"{name}_rate": percent(getattr(figures, name), figures.possible) for name in _RATES}
    return {
        **{
            name: getattr(figures, name) for name in ("possible", "attendance", "absence", "authorised", "unauthorised")
        },
        "unknown": figures.unknown,
        **{name: None if rate is None else float(rate) for name, rate in rates.items()},
    }


def _rate(figures: Figures, name: str) -> str:
    return rate(getattr(figures, name), figures.possible)


def _said(one: MapEntry) -> str:
    span = f" from {one.valid_from}" if one.valid_from else ""
    return f"{one.canonical_code}{span}{f' to {one.valid_to}' if one.valid_to else ''}"


def _word(code: str) -> str:
    return _WORDS.get(code, code)

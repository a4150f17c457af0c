"""A cell of a report, and what it is made of: schools, marks, and of each mark the rule that chose it.

The figure is added up from the counts, as the reports do; its parts are counted from the marks themselves. Both must
come to the same, and `Explained.equal` says whether they do: a cell that its marks do not add up to is wrong.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import now
from rollcall.domain.places import EXCLUDED
from rollcall.domain.report_columns import Column, Measure
from rollcall.errors import UsageError
from sinks.as_at import Known, known
from sinks.deliveries import Delivery, by_event
from sinks.derive import latest_publication
from sinks.reports import BASES, Basis
from sinks.statements import load

__all__ = ["Cell", "Explained", "Loser", "Mark", "Part", "chosen_by", "explain"]

#: Measure -> what is added up of counts, and the condition on a mark.
_MEASURES: dict[Measure, tuple[str, str]] = {
    "marks": ("marks", "true"),
    "absence": ("authorised + unauthorised", "(authorised OR unauthorised)"),
    **{name: (name, name) for name in ("possible", "attendance", "authorised", "unauthorised", "late", "unknown")},
}


@dataclass(frozen=True)
class Cell:
    """Which cell: a date, what is counted, and of whom. Empty and 0 are all; `headline` counts what rule 14 counts."""

    day: date
    column: Column
    urn: int = 0
    la_code: str | None = None
    phase: str | None = None
    trust_id: str | None = None
    year_group: str | None = None
    session: str | None = None
    headline: bool = True
    basis: Basis = "statutory"

    def parameters(self) -> dict[str, Any]:
        """For the statements explain_*.sql."""

        def one(value: str | None) -> list[str]:
            return [] if value is None else [value]

        return {
            "day": self.day, "headline": int(self.headline), "urns": [self.urn] if self.urn else [],
            "las": one(self.la_code), "phases": one(self.phase), "trusts": one(self.trust_id),
            "year_groups": one(self.year_group), "sessions": one(self.session), "codes": list(self.column.codes),
            "categories": list(self.column.categories),
        }  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """The cell as it was asked for."""
        return {
            "date": self.day.isoformat(), "column": self.column.name, "codes": list(self.column.codes),
            "categories": list(self.column.categories),
            "school": self.urn or None, "la": self.la_code, "phase": self.phase, "trust": self.trust_id,
            "year_group": self.year_group, "session": self.session, "basis": self.basis,
            "scope": "headline" if self.headline else "all",
        }  # fmt: skip


class Part(NamedTuple):
    """A school's part of a cell."""

    urn: int
    school: str
    part: int


class Loser(NamedTuple):
    """A mark of another source that stands, says another code and lost, with the rule that left it out."""

    source: str
    source_kind: str
    raw_code: str
    code: str
    event_id: int
    rule: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark that counts, and why it does."""

    pupil_id: int
    session: str
    urn: int
    year_group: str
    code: str
    raw_code: str
    label: str
    category: str
    source: str
    source_kind: str
    sources: int
    disagree: bool
    lost: tuple[Loser, ...]
    event_id: int
    publication: int
    basis_rule: str
    statutory_source: str
    statutory_code: str
    #: The school's rule by which it follows from a lesson (rule 7); empty for a mark of the session.
    lesson_rule: str
    delivery: Delivery | None = None

    @property
    def rule(self) -> str:
        """What chose it: a rule between sources, or that there was nothing to choose."""
        return chosen_by(self.basis_rule, self.sources, self.lost, self.lesson_rule)

    def as_json(self) -> dict[str, Any]:
        """As an element of the document of `rollcall explain --json`."""
        said = asdict(self) | {"rule": self.rule, "lost": [one._asdict() for one in self.lost]}
        del said["basis_rule"], said["delivery"], said["lesson_rule"]
        delivery = None if self.delivery is None else self.delivery.as_json()
        alias = self.delivery is not None and self.delivery.pupil_id != self.pupil_id
        return {**said, "counts_for_another_by_alias": alias, "delivery": delivery}


#: Columns of explain_listed.sql.
_LISTED = tuple(one.name for one in fields(Mark) if one.name != "delivery")


def chosen_by(basis_rule: str, sources: int, lost: tuple[Loser, ...], lesson_rule: str = "") -> str:
    """The rule behind a mark in words of docs/rules.md: of rules between sources, all that left another out."""
    if lesson_rule:
        return f"lessons: {lesson_rule}"
    if basis_rule != "statutory":
        return basis_rule
    if lost:
        return ", ".join(sorted({one.rule for one in lost}))
    return "only_source" if sources <= 1 else "sources_agree"


@dataclass(frozen=True)
class Explained:
    """A cell, its figure, and its parts. `schools` are all; `marks` at most as many as were asked for."""

    cell: Cell
    figure: int
    schools: tuple[Part, ...]
    marks: tuple[Mark, ...]
    schools_reported: int
    schools_expected: int
    by: Known
    publication: int
    asked_at: datetime = field(default_factory=now)

    @property
    def parts(self) -> int:
        """What the marks add up to."""
        return sum(one.part for one in self.schools)

    @property
    def equal(self) -> bool:
        """Whether the figure is what its marks add up to."""
        return self.parts == self.figure

    @property
    def excluded(self) -> str:
        """Why published series leave the day out, in some region or everywhere; empty when they do not."""
        found = [one.reason for one in EXCLUDED if one.first_day <= self.cell.day <= one.last_day]
        return "; ".join(found) if self.cell.column.published else ""

    def as_json(self) -> dict[str, Any]:
        """The document of `rollcall explain --json`, bytes and schemas aside."""
        return {
            "cell": self.cell.as_json(),
            "figure": self.figure,
            "parts_add_up_to": self.parts,
            "equal": self.equal,
            "coverage": {"schools_reported": self.schools_reported, "schools_expected": self.schools_expected},
            "asked_at": self.asked_at.isoformat(timespec="seconds"),
            **self.by.versions,
            "publication": self.publication,
            "left_out_of_published_series": self.excluded or None,
            "schools": [one._asdict() for one in self.schools],
            "marks": [one.as_json() for one in self.marks],
        }


def explain(client: Client, cell: Cell, limit: int = 20) -> Explained:
    """A cell with its parts; of a cell of one school also its first `limit` marks, each with its delivery.

    Raises UsageError for a basis that there is none of, and where a published column is asked for in another than its.
    """
    if cell.basis not in BASES:
        raise UsageError(f"the basis is {' or '.join(BASES)}; not {cell.basis}")
    if cell.column.published and (cell.basis != "statutory" or not cell.headline):
        raise UsageError(f"{cell.column.name} is a column of published files: statutory, and of the headline alone")
    asked = cell.parameters()
    counts, condition = _MEASURES[cell.column.measure]
    filled = {
        "{counts}": "session_counts_live" if cell.basis == "live" else "session_counts",
        "{wanted}": load("explain_wanted").replace(
            "{of_category}", load("explain_category") if cell.column.categories else "true"
        ),
        "{marks}": load("explain_marks")
        .replace("{standing}", load(f"explain_standing_{cell.basis}"))
        .replace("{lesson_rules}", load("lesson_rule_names")),
    }

    def rows(name: str, measure: str, **more: Any) -> list[Any]:
        statement = load(name)
        for place, text in {**filled, "{measure}": measure}.items():
            statement = statement.replace(place, text)
        return list(client.query(statement, parameters={**asked, **more}).result_rows)

    ((figure, _),) = rows("explain_figure", counts)
    schools = tuple(Part(*row) for row in rows("explain_schools", condition))
    ((reported, expected),) = rows("explain_coverage", counts)
    by, (_, publication) = known(client, None), latest_publication(client)
    marks = _with_deliveries(client, cell, rows("explain_listed", condition, limit=limit)) if cell.urn else ()
    return Explained(cell, int(figure), schools, marks, int(reported), int(expected), by, publication)


def _with_deliveries(client: Client, cell: Cell, rows: list[Any]) -> tuple[Mark, ...]:
    named = (dict(zip(_LISTED, row, strict=True)) for row in rows)
    found = [Mark(**{**row, "lost": tuple(Loser(*one) for one in row["lost"])}) for row in named]
    delivered = by_event(client, cell.day, [one.urn for one in found], [one.event_id for one in found])
    return tuple(replace(one, delivery=delivered.get(one.event_id)) for one in found)

"""What a school's page says, section by section: the terminal prints it, and the HTML file shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from rollcall.cli._listed import rate

if TYPE_CHECKING:
    from rollcall.domain.mis_rates import MisRates
    from sinks.school_report import SchoolReport, Sums

__all__ = ["Page", "Section"]

Column = tuple[str, bool]
_CATEGORIES = {"": "unknown", "approved_educational_activity": "approved activity"}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, sentences, and a table whose columns are (heading, whether it holds numbers). `plots`: their names."""

    title: str
    says: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    plots: tuple[str, ...] = field(default=())


class Page:
    """A report, and (`mis`) what the school's MIS says of itself: None when not asked, empty without a source."""

    def __init__(self, report: SchoolReport, mis: Sequence[MisRates] | None = None) -> None:
        self.report, self.mis = report, mis

    @property
    def title(self) -> str:
        """Which school, which day."""
        return f"{self.report.name} ({self.report.urn}), {_long(self.report.day)}"

    @property
    def made_by(self) -> tuple[str, ...]:
        """By what every figure is made (rule 17), and how much of what was expected it is made of."""
        report = self.report
        about = [one for one in (report.phase, report.la_name, report.trust_name) if one]
        return (
            *([", ".join(about) + "."] if about else []),
            f"Basis: statutory. Counted: {report.scope}; sessions that have begun.",
            report.known.in_words,
            f"Coverage: {_coverage(report.today)} on the day, {_coverage(report.term)} in {self._term}.",
        )

    @property
    def sections(self) -> tuple[Section, ...]:
        """In the order in which a head reads them."""
        return (
            self._day(), self._unmarked(), self._open_n(), self._conflicts(), self._amendments(), self._late(),
            self._weeks(), self._pupils(), self._mis(), self._findings(),
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """The document of the report; `mis` is null when the MIS was not asked, and empty without a source."""
        return {**self.report.as_json(), "mis": None if self.mis is None else [asdict(one) for one in self.mis]}

    @property
    def _term(self) -> str:
        return f"the {self.report.term_name} term so far" if self.report.term_name else "the academic year so far"

    def _day(self) -> Section:
        line = self.report.line
        said = (
            f"Attendance {_rate(line.attendance, line.possible)}: {line.attendance:,} of {line.possible:,} possible"
            f" sessions. Authorised absence {_rate(line.authorised, line.possible)}, unauthorised"
            f" {_rate(line.unauthorised, line.possible)}. Late: {line.late:,}.",
            f"Missing: {_count(line.missing_marks, 'mark')} and {_count(line.missing_registers, 'register')};"
            f" missing is neither absent nor present. Codes that no map knows: {line.unknown:,}."
            f" On roll: {line.pupils:,}.",
        )
        rows = (
            (row["code"] or "no code known", _CATEGORIES.get(row["category"], row["category"].replace("_", " ")),
             f"{row['morning']:,}", f"{row['afternoon']:,}")
            for row in self.report.codes
        )  # fmt: skip
        columns = (("Code", False), ("Counts as", False), ("Morning", True), ("Afternoon", True))
        return Section("The day", said, columns, tuple(rows))

    def _unmarked(self) -> Section:
        rows = self.report.unmarked
        return _listed(
            "Registers not taken", rows,
            f"{_count(len(rows), 'register')} of the day, none of whose pupils has a mark that stands.",
            "None of the day.",
            {"session": "Session", "group": "Group", "opens_at": "Opens", "closes_at": "Closes", "pupils": "Pupils"},
        )  # fmt: skip

    def _open_n(self) -> Section:
        from sinks.school_report import N_MAY_STAND

        rows = [{**row, "over": "yes" if row["over"] else "no"} for row in self.report.open_n]
        over = sum(row["marks"] for row in self.report.open_n if row["over"])
        total = sum(row["marks"] for row in self.report.open_n)
        return _listed(
            "N still open", rows,
            f"{total:,} N of {self._term} stand; {over:,} for more than {N_MAY_STAND} school days, and are overdue.",
            f"No N of {self._term} stands. Those of today are among the day's marks.",
            {"session_date": "Date", "session": "Session", "year_group": "Year group", "school_days": "School days",
             "marks": "Marks", "over": "Overdue"},
        )  # fmt: skip

    def _conflicts(self) -> Section:
        return _listed(
            "Marks on which two systems disagree", self.report.conflicts,
            "Of this week: what counts, what lost, by which rule, for how many pupils.", "None this week.",
            {"session_date": "Date", "session": "Session", "group": "Group", "counts": "Counts", "code": "Code",
             "loses": "Loses", "lost_code": "Its code", "rule": "Rule", "pupils": "Pupils"},
        )  # fmt: skip

    def _amendments(self) -> Section:
        return _listed(
            "Amendments after the window", self.report.amendments,
            f"Made in {self._term} more school days after the session than the school allows.",
            f"None in {self._term}.",
            {"session_date": "Date", "session": "Session", "group": "Group", "was": "Was", "code": "Became",
             "reason": "Reason", "evidence": "Evidence", "amended_on": "Amended on", "school_days": "School days",
             "window": "Allowed", "marks": "Marks"},
        )  # fmt: skip

    def _late(self) -> Section:
        return _listed(
            "Registers that mostly come late", self.report.late,
            f"Groups of which half or more of the registers in {self._term} came after they should have closed.",
            f"No group's in {self._term}.",
            {"session": "Session", "group": "Group", "registers": "Registers", "late": "Late",
             "minutes_median": "Minutes, median", "minutes_most": "Minutes, most"},
        )  # fmt: skip

    def _weeks(self) -> Section:
        columns = (
            ("Span", False), ("Days", True), ("Possible", True), ("Attendance", True),
            ("Authorised", True), ("Unauthorised", True), ("Late", True), ("Unknown", True), ("Missing", True),
            ("Coverage", True),
        )  # fmt: skip
        report = self.report
        term = [(f"{report.term_name} term", report.term)] if report.term_name else []
        spans = [
            *((f"From {_short(week.first)}", week) for week in report.weeks),
            *term,
            ("Academic year", report.year),
        ]
        said = (
            "Sessions are added up, and a rate is made of the sum. Every day counts that the school was open; the "
            "Department's own series leaves some days out.",
        )
        rows = tuple(_span(name, one) for name, one in spans)
        return Section("Weeks and term", said, columns, rows, ("attendance", "absence") if report.weeks else ())

    def _pupils(self) -> Section:
        report = self.report
        said = (
            f"Of {report.pupils:,} pupils with a possible session in the academic year so far, {report.persistent:,}"
            f" are persistently absent (a tenth of their possible sessions or more), of whom {report.severe:,} severely"
            " (half or more). Near: a few sessions of absence more would reach it; of pupils with an absence, and 20"
            " possible sessions.",
        )
        rows = [
            {
                **asdict(one),
                "pupil_id": str(one.pupil_id),
                "rate": _rate(one.absent, one.possible),
                "to_go": one.to_go or "",
            }
            for one in report.near
        ]
        names = {"pupil_id": "Pupil", "year_group": "Year group", "standing": "Standing", "absent": "Absent",
                 "possible": "Possible", "rate": "Absence", "to_go": "Sessions to the threshold"}  # fmt: skip
        return _listed("Pupils at and near the thresholds of absence", rows, said[0], said[0], names)

    def _mis(self) -> Section:
        ours = self.report.year
        rows = [
            *((f"Counts, said by {one['source']}", one["possible"], one["attendance"]) for one in self.report.sources),
            ("Counts, in all", ours.possible, ours.attendance),
        ]
        if self.mis is None:
            said = ["The MIS gave no figures of its own: it was not asked (--ask-mis)."]
        elif not self.mis:
            said = ["The MIS gave no figures of its own: no source of this school can be asked."]
        else:
            said = [f"The academic year so far: ours until {_short(self.report.day)}, the MIS's as it answers now."]
        for one in self.mis or ():
            said += _explained(one)
            if not one.why:
                asked = ((f"{one.source} says", one.theirs), (f"Held of {one.source}", one.held))
                rows = [*((name, counts.possible, counts.attendance) for name, counts in asked), *rows]
        columns = (("Whose", False), ("Possible", True), ("Attended", True), ("Attendance", True))
        cells = ((name, f"{possible:,}", f"{there:,}", _rate(there, possible)) for name, possible, there in rows)
        return Section("Our rate and the MIS's own", tuple(said), columns, tuple(cells))

    def _findings(self) -> Section:
        rows = [{**row, "accepted": "counts" if row["accepted"] else "in quarantine"} for row in self.report.findings]
        return _listed(
            "Findings", rows, "What is odd about the day's marks, or was refused.", "Nothing odd was found of the day.",
            {"finding": "Finding", "accepted": "The mark", "found": "Found", "what": "What it is",
             "how_to_resolve": "What to do"},
        )  # fmt: skip


def _explained(one: MisRates) -> list[str]:
    if one.why:
        return [f"{one.source} gave none: {one.why}"]
    said = [
        f"{one.source}: {_rate(one.theirs.attendance, one.theirs.possible)} by its own count of {one.pupils:,} pupils,"
        f" {_rate(one.held.attendance, one.held.possible)} by what we hold of it for them."
    ]
    said += [
        f"Code {code.code}: {code.theirs:,} there, {code.ours:,} held;"
        f" it is another number for {_count(code.pupils, 'pupil')}."
        for code in one.codes
    ]
    if not one.codes:
        said.append("Code by code, both are the same for every pupil compared.")
    for number, what in (
        (one.not_pulled_yet, "pupils differ and were counted there after the last pull: left out of both"),
        (one.without_summary, "pupils have marks here and no count there"),
        (one.theirs.unknown, "of its marks have a code that no map knows: in no rate"),
    ):
        if number:
            said.append(f"{number:,} {what}.")
    said.append(
        "What counts here besides is of other systems, which the rules between sources chose or which alone had it."
    )
    return said


def _listed(title: str, rows: Sequence[dict[str, Any]], some: str, none: str, names: dict[str, str]) -> Section:
    if not rows:
        return Section(title, (none,))
    columns = tuple((heading, _numeric([row[name] for row in rows])) for name, heading in names.items())
    return Section(title, (some,), columns, tuple(_cells(row[name] for name in names) for row in rows))


def _numeric(values: Sequence[Any]) -> bool:
    told = [value for value in values if value != ""]
    return bool(told) and all(isinstance(value, int) or str(value).endswith(" %") for value in told)


def _cells(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(_short(value) if isinstance(value, date) else str(value) for value in values)


def _span(name: str, one: Sums) -> tuple[str, ...]:
    return (
        name, f"{one.days:,}", f"{one.possible:,}", _rate(one.attendance, one.possible),
        _rate(one.authorised, one.possible), _rate(one.unauthorised, one.possible), f"{one.late:,}",
        f"{one.unknown:,}", f"{one.missing:,}", _rate(one.marks, one.marks + one.missing),
    )  # fmt: skip


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _coverage(one: Sums) -> str:
    return f"{one.marks:,} of {one.marks + one.missing:,} marks ({_rate(one.marks, one.marks + one.missing)})"


def _rate(part: int, whole: int) -> str:
    return f"{rate(part, whole)} %" if whole else rate(part, whole)


def _short(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b %Y}"


def _long(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"

"""Two readings of one school's marks compared: what a source holds, and what we hold of it. Pure; nothing is read here.

Codes are compared as they are, never what they mean: a code that nobody maps is lost or kept like any other (rule 2).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple, TypeAlias

from rollcall.domain.codes import NO_MARK

__all__ = ["DIFFERENCES", "Cell", "Comparison", "Counts", "Finding", "Kind", "Mark", "Pupil", "Slot", "compare"]

#: Tells pupils of a school apart and is never shown: our number, or (scheme, reference) of one whom no roster knows.
Pupil: TypeAlias = int | tuple[str, str]

Kind = Literal["missing", "kept", "repeated", "code", "moved", "quarantined", "not_pulled_yet"]
#: The kinds that are a difference. The two others say where a mark is that we do not count, and lose nothing.
DIFFERENCES: Mapping[Kind, str] = {
    "missing": "the source has the mark, we do not",
    "kept": "we hold a mark that the source does not have (any more)",
    "repeated": "we hold a second mark of a session or lesson for which the source has one",
    "code": "the same record has another code",
    "moved": "the same record is of another day, session, lesson or pupil",
}


class Slot(NamedTuple):
    """What a mark is of. period: the lesson; empty for a session's mark (rule 7)."""

    day: date
    session: str
    period: str = ""


class Mark(NamedTuple):
    """One mark. record: the source's id of it. code: raw, as the source says it."""

    record: str
    pupil: Pupil
    slot: Slot
    code: str


class Cell(NamedTuple):
    """Where marks are counted: one code of one session or lesson of a day."""

    day: date
    session: str
    period: str
    code: str


class Finding(NamedTuple):
    """What is not simply equal. theirs, ours: the two marks it is about, None where there is none; never both None.

    reason: why it is in quarantine, empty otherwise.
    """

    kind: Kind
    theirs: Mark | None
    ours: Mark | None
    reason: str = ""

    @property
    def mark(self) -> Mark:
        """The source's mark, or ours where it has none: what it is listed under."""
        mark = self.theirs or self.ours
        assert mark is not None
        return mark


@dataclass(slots=True)
class Counts:
    """Of one cell, in marks. `reasons`: quarantine reason -> marks; `kinds`: kind of difference -> marks."""

    theirs: int = 0
    ours: int = 0
    quarantined: int = 0
    not_pulled_yet: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    kinds: Counter[Kind] = field(default_factory=Counter)

    @property
    def difference(self) -> int:
        """Marks that differ."""
        return self.kinds.total()

    @property
    def worth_showing(self) -> bool:
        """Whether anything is to be said but that both are equal."""
        return bool(self.difference or self.quarantined or self.not_pulled_yet)


@dataclass(slots=True)
class Comparison:
    """What was found: marks of the source = equal + findings with `theirs`; ours = equal + findings with `ours`."""

    theirs: int = 0
    ours: int = 0
    equal: int = 0
    findings: list[Finding] = field(default_factory=list)
    cells: dict[Cell, Counts] = field(default_factory=lambda: defaultdict(Counts))

    @property
    def differences(self) -> list[Finding]:
        """The findings that are differences, by day."""
        return [one for one in self.findings if one.kind in DIFFERENCES]

    def count(self, kind: Kind) -> int:
        """Findings of a kind."""
        return sum(one.kind == kind for one in self.findings)


#: Where a record stands.
_Place: TypeAlias = tuple[Pupil, Slot]
#: Marks by record, and there by place.
_Records: TypeAlias = Mapping[str, Mapping[_Place, Mark]]


def compare(
    theirs: Iterable[Mark],
    ours: Iterable[Mark],
    quarantined: Mapping[Mark, str] | None = None,
    not_pulled_yet: Set[str] = frozenset(),
) -> Comparison:
    """Compare what a source holds of a school (all of it) with what we hold of that source.

    quarantined: marks that we refused for now, and why. One that the source has, just so, is not lost.
    not_pulled_yet: records that the source has changed or deleted since they were last pulled: whatever differs in them
    is what the next pull brings. A blank or `-` on one side alone is no mark, and no difference (rule 3).
    """
    refused = quarantined or {}
    they, we = _by_record(theirs), _by_record(ours)
    in_both = {(place, record) for record, marks in we.items() for place in marks if place in they.get(record, {})}
    shared = Counter(place for place, _ in in_both)
    found = Comparison()
    for record in sorted({*they, *we}):
        equal, unequal = _of_record(they.get(record, {}), we.get(record, {}))
        for mark in equal:
            _counted(found, mark, mark)
        found.equal += len(equal)
        for one in unequal:
            settled = _settled(one, refused, not_pulled_yet, shared)
            found.findings.append(settled)
            _counted(found, settled.theirs, settled.ours)
            _listed(found.cells, settled)
    found.findings.sort(key=lambda one: (one.mark.slot, one.mark.code, one.mark.record))
    return found


def _by_record(marks: Iterable[Mark]) -> _Records:
    found: dict[str, dict[_Place, Mark]] = defaultdict(dict)
    for mark in marks:
        found[mark.record][mark.pupil, mark.slot] = mark
    return found


def _of_record(theirs: Mapping[_Place, Mark], ours: Mapping[_Place, Mark]) -> tuple[list[Mark], list[Finding]]:
    """The marks of one record that are equal, and what differs, as if there were neither quarantine nor later pull."""
    equal = [mark for place, mark in theirs.items() if place in ours and ours[place].code == mark.code]
    unequal = [
        Finding("code", mark, ours[place])
        for place, mark in theirs.items()
        if place in ours and ours[place].code != mark.code
    ]
    alone = _marks_of(theirs, ours)
    kept = _marks_of(ours, theirs)
    both = min(len(alone), len(kept))
    unequal += [Finding("moved", mark, held) for mark, held in zip(alone, kept, strict=False)]
    unequal += [Finding("missing", mark, None) for mark in alone[both:]]
    unequal += [Finding("kept", None, mark) for mark in kept[both:]]
    return equal, unequal


def _marks_of(marks: Mapping[_Place, Mark], others: Mapping[_Place, Mark]) -> Sequence[Mark]:
    """The marks at places that the others do not have, in order of their days; what is no mark left out (rule 3)."""
    alone = (mark for place, mark in marks.items() if place not in others and mark.code.strip() not in ("", NO_MARK))
    return sorted(alone, key=lambda mark: (mark.slot, mark.code))


def _settled(
    one: Finding, quarantined: Mapping[Mark, str], not_pulled_yet: Set[str], shared: Mapping[_Place, int]
) -> Finding:
    """What it is, when all that we know of it is looked at."""
    if one.theirs is not None and one.theirs in quarantined:
        return one._replace(kind="quarantined", reason=quarantined[one.theirs])
    if one.mark.record in not_pulled_yet:
        return one._replace(kind="not_pulled_yet")
    if one.kind == "kept" and one.ours is not None and shared.get((one.ours.pupil, one.ours.slot), 0):
        return one._replace(kind="repeated")
    return one


def _counted(found: Comparison, theirs: Mark | None, ours: Mark | None) -> None:
    if theirs is not None:
        found.theirs += 1
        found.cells[_cell(theirs)].theirs += 1
    if ours is not None:
        found.ours += 1
        found.cells[_cell(ours)].ours += 1


def _listed(cells: Mapping[Cell, Counts], one: Finding) -> None:
    counts = cells[_cell(one.mark)]
    if one.kind == "quarantined":
        counts.quarantined += 1
        counts.reasons[one.reason] += 1
    elif one.kind == "not_pulled_yet":
        counts.not_pulled_yet += 1
    else:
        counts.kinds[one.kind] += 1


def _cell(mark: Mark) -> Cell:
    return Cell(*mark.slot, mark.code)

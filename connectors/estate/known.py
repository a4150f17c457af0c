"""What is known of schools and pupils beside the marks, as the reference model needs it, and an estate's own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

from connectors.estate.messages import PupilRefs
from connectors.estate.pupils import UPN_INVALID, UPN_SHARED
from connectors.estate.script import code_maps
from connectors.estate.upheavals import Upheavals, until
from rollcall.domain.codes import MapEntry

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["Known", "World", "world_of"]


class Known(NamedTuple):
    """A pupil under one reference. `pupil` None: the reference names several. `findings`: upn_invalid, upn_shared."""

    pupil: Hashable | None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class World:
    """What is known beside the marks.

    pupils: by (urn, scheme, ref). enrolments: first and last day by (urn, pupil), None while on roll. maps: entries by
    scheme. open_on: whether a school is open on a day. loaded: whether a day lies in an academic year that is known.
    lives: first and last day by urn (rule 12), None where nobody says; a school that is not there is open always.
    """

    schools: frozenset[int]
    pupils: Mapping[tuple[int, str, str], Known]
    enrolments: Mapping[tuple[int, Hashable], Sequence[tuple[date, date | None]]]
    maps: Mapping[str, Sequence[MapEntry]]
    open_on: Callable[[int, date], bool]
    loaded: Callable[[date], bool]
    lives: Mapping[int, tuple[date | None, date | None]] = field(default_factory=dict)
    #: (urn, pupil) -> for whom its marks count, and from which session date on (None: all).
    aliases: Mapping[tuple[int, Hashable], tuple[Hashable, date | None]] = field(default_factory=dict)
    #: urn -> the system whose definite marks stand before every other's (rule 10).
    systems: Mapping[int, str] = field(default_factory=dict)
    #: urn -> the lessons, in order, of which the best mark counts for the morning where nothing else stands (rule 7).
    windows: Mapping[int, Sequence[str]] = field(default_factory=dict)
    #: Schools whose roster, or part of it, came when marks had come already: those refused for it were sent again.
    late: frozenset[int] = frozenset()

    @cached_property
    def _entries(self) -> dict[tuple[str, str], list[MapEntry]]:
        indexed: dict[tuple[str, str], list[MapEntry]] = defaultdict(list)
        for scheme, entries in self.maps.items():
            for entry in entries:
                indexed[scheme, entry.raw_code].append(entry)
        return indexed

    def canonical(self, scheme: str, raw: str, day: date) -> str:
        """The national code that a raw code means on a day, '' when no map knows it (rule 2)."""
        for entry in self._entries.get((scheme, raw), ()):
            if (entry.valid_from or date.min) <= day <= (entry.valid_to or date.max):
                return entry.canonical_code
        return ""

    def existed(self, urn: int, day: date) -> bool:
        """Whether the day lies between the school's first and its last (rule 12)."""
        first, last = self.lives.get(urn, (None, None))
        return (first or date.min) <= day <= (last or date.max)

    def counts_for(self, urn: int, pupil: Hashable, day: date) -> Hashable:
        """The pupil for whom a mark of the pupil counts: itself, unless an alias says another."""
        other, begins = self.aliases.get((urn, pupil), (pupil, None))
        return other if begins is None or begins <= day else pupil

    def on_roll(self, urn: int, pupil: Hashable, day: date) -> bool:
        """Whether an enrolment of the pupil at the school covers the day."""
        for first, last in self.enrolments.get((urn, pupil), ()):
            if first <= day and (last is None or day <= last):
                return True
        return False


def world_of(estate: Estate, refs: PupilRefs) -> World:
    """The world of an estate. `refs` keys the UPNs as the edge does; pupils are named by their row."""
    turned = estate.upheavals
    opened = cache(estate.calendar.open)  # asked once a mark, of a few days
    pupils: dict[tuple[int, str, str], Known] = {}
    enrolments: dict[tuple[int, Hashable], list[tuple[date, date | None]]] = {}
    for school in estate.schools:
        rows = estate.pupils.of(school)
        keyed = [refs(upn) for upn in estate.upns(school)]
        carried = Counter(keyed)
        for row, named in zip(rows, keyed, strict=True):
            if turned and row in turned.away:
                continue
            flags = int(estate.pupils.flags[row])
            findings = tuple(
                name for flag, name in ((UPN_INVALID, "upn_invalid"), (UPN_SHARED, "upn_shared")) if flags & flag
            )
            known = Known(row, findings)
            if school.tells_mis_id:
                pupils[school.urn, "mis", estate.pupils.mis_id(row)] = known
            if school.pulled:
                pupils[school.urn, school.make, school.pupil_id(row)] = known
            pupils[school.urn, *named] = Known(None, findings) if carried[named] > 1 else known
            enrolments[school.urn, row] = [estate.pupils.enrolled(row, estate.dates[0])]
    if turned is not None:
        _add_numbers(estate, turned, pupils, enrolments)
    lives: dict[int, tuple[date | None, date | None]] = {}
    if turned and turned.converted and turned.predecessor:
        lives = {turned.converted.urn: (turned.day, None), turned.predecessor.urn: (None, turned.last_day)}
    return World(
        schools=frozenset(estate.by_urn),
        pupils=pupils,
        enrolments=enrolments,
        maps=code_maps(estate.schools),
        open_on=lambda _, day: opened(day),
        loaded=cache(estate.calendar.loaded),
        lives=lives,
        aliases=turned.alias if turned else {},
        systems={turned.moved.urn: turned.system} if turned and turned.moved else {},
        windows=turned.windows if turned else {},
        late=frozenset(school.urn for school in (turned.late, turned.away_from) if school) if turned else frozenset(),
    )


def _add_numbers(
    estate: Estate,
    turned: Upheavals,
    pupils: dict[tuple[int, str, str], Known],
    enrolments: dict[tuple[int, Hashable], list[tuple[date, date | None]]],
) -> None:
    """The second numbers of children, and the pupils of the school that was before its conversion."""
    for child in turned.numbers:
        urn = child.school.urn
        pupils[urn, "mis", child.ref] = Known(child.number)
        enrolments[urn, child.number] = turned.spells(child, [estate.pupils.enrolled(child.row, turned.day)])
    if turned.converted is None or turned.predecessor is None:
        return
    new, old = turned.converted.urn, turned.predecessor.urn
    pupils |= {(old, scheme, ref): known for (urn, scheme, ref), known in pupils.items() if urn == new}
    ended = {row: until(list(spells), turned.last_day) for (urn, row), spells in enrolments.items() if urn == new}
    enrolments |= {(old, row): spells for row, spells in ended.items()}

"""From a school's roster to the crosswalk: which of its pupils is which of ours (rules 5 and 11).

The crosswalk gives (school, scheme, ref) -> pupil_id, and a pair once given keeps its pupil_id, because history was
written with it. So a pupil is found again by any reference that was given before, the primary one first, and only a
pupil who has none is new. One reference on two pupils merges nobody: it names neither of them. A reference that now
stands on another pupil than the one it was given to is as ambiguous as that, until a person has looked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from rollcall.domain.identity import new_pupil_id
from rollcall.domain.upn import SCHEME, SCHEME_INVALID

__all__ = ["NOBODY", "CrosswalkRow", "Pupil", "Ref", "in_scope", "resolve"]

#: (scheme, ref): what one source calls a pupil.
Ref = tuple[str, str]

#: pupil_id of a reference that has never named exactly one pupil.
NOBODY = 0

#: Year groups of compulsory schooling, and none given (rule 14).
_YEARS_IN_SCOPE = frozenset({"R", "", *(str(year) for year in range(1, 12))})


@dataclass(frozen=True, slots=True)
class Pupil:
    """A pupil of a roster with our number, and the roster's own entries about them (one, unless it repeats itself)."""

    pupil_id: int
    entries: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class CrosswalkRow:
    """One row of the crosswalk, its school aside."""

    ref: Ref
    pupil_id: int
    upn_invalid: bool
    upn_shared: bool
    ambiguous: bool


def in_scope(age_31_august: int, year_group: str) -> bool:
    """Rule 14, pupil part: aged 5 to 15 at 31 August, and in year group R to 11 or in none."""
    return 5 <= age_31_august <= 15 and year_group in _YEARS_IN_SCOPE


def resolve(
    urn: int, roster: Sequence[Mapping[str, Any]], known: Mapping[Ref, int]
) -> tuple[list[Pupil], list[CrosswalkRow]]:
    """Give every pupil of a school's roster a pupil_id, and every reference its crosswalk row.

    `roster` is `pupils` of a Roster message; `known` is the school's crosswalk so far. Two pupils never get the same
    pupil_id. The same roster over its own result gives the same result, so applying it twice changes nothing.
    """
    pupils = _without_repeats(roster)
    carriers = Counter(ref for refs in pupils for ref in refs)
    ids = _identify(urn, list(pupils), carriers, known)
    rows: dict[Ref, CrosswalkRow] = {}
    for refs in pupils:
        invalid = any(scheme == SCHEME_INVALID for scheme, _ in refs)
        shared = any(scheme in {SCHEME, SCHEME_INVALID} and carriers[scheme, ref] > 1 for scheme, ref in refs)
        for ref in refs:
            alone = carriers[ref] == 1
            kept = known.get(ref, NOBODY) or (ids[refs] if alone else NOBODY)
            before = rows.get(ref)
            rows[ref] = CrosswalkRow(
                ref,
                kept,
                upn_invalid=invalid or (before is not None and before.upn_invalid),
                upn_shared=shared or (before is not None and before.upn_shared),
                ambiguous=not alone or kept != ids[refs],
            )
    return [Pupil(ids[refs], entries) for refs, entries in pupils.items()], list(rows.values())


def _without_repeats(roster: Sequence[Mapping[str, Any]]) -> dict[tuple[Ref, ...], list[Mapping[str, Any]]]:
    """The roster's pupils by their references, in its order. Entries with the very same references are one pupil."""
    pupils: dict[tuple[Ref, ...], list[Mapping[str, Any]]] = {}
    for entry in roster:
        refs = tuple(dict.fromkeys((one["scheme"], one["ref"]) for one in entry["refs"]))
        if refs:
            pupils.setdefault(refs, []).append(entry)
    return pupils


def _identify(
    urn: int, pupils: Sequence[tuple[Ref, ...]], carriers: Mapping[Ref, int], known: Mapping[Ref, int]
) -> dict[tuple[Ref, ...], int]:
    """A pupil_id for each pupil, none twice: first those found again, by rank of the reference, then the new ones."""
    ids: dict[tuple[Ref, ...], int] = {}
    taken: set[int] = set()

    def give(refs: tuple[Ref, ...], pupil_id: int) -> None:
        if pupil_id != NOBODY and pupil_id not in taken:
            taken.add(pupil_id)
            ids[refs] = pupil_id

    for rank in range(max(map(len, pupils), default=0)):
        for refs in pupils:
            if refs not in ids and rank < len(refs) and carriers[refs[rank]] == 1:
                give(refs, known.get(refs[rank], NOBODY))
    for refs in pupils:
        for candidate in _new_ids(urn, refs, carriers):
            if refs in ids:
                break
            give(refs, candidate)
    return ids


def _new_ids(urn: int, refs: tuple[Ref, ...], carriers: Mapping[Ref, int]) -> Iterator[int]:
    """What a new pupil's pupil_id may be, best first: by a valid UPN, by the primary reference, by all together."""
    usable = [ref for ref in refs if carriers[ref] == 1]
    for scheme, ref in sorted(usable, key=lambda one: one[0] != SCHEME):
        yield new_pupil_id(urn, scheme, ref)
    together = "|".join(f"{scheme}:{ref}" for scheme, ref in refs)
    for attempt in count():
        yield new_pupil_id(urn, "together", f"{together}#{attempt}")

"""A school's roster for `reference.roster.v1`, built the same way whatever the make (rule 11). No name is in it.

A make reads its pupils into `Listed`; what follows from that stands here. No pupil is left out for a missing field,
because the roster replaces the one before, and whoever is not on it is not on roll: without a date of birth the age
follows from the year group, without a first day the pupil has been on roll since the academic year began.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from connectors.contract import Pull
from connectors.encoding import days, milliseconds
from connectors.pupils import PupilReference, UpnKey
from rollcall.domain.identity import academic_year, academic_year_days

__all__ = ["TOPIC", "Enrolled", "Listed", "Member", "references", "roster", "status", "year_group"]

TOPIC = "reference.roster.v1"

#: School census enrolment status: C current, M main and S subsidiary of a dual registration, G guest, O other provider,
#: F further education college.
_CENSUS_STATUS = {"C": "main", "M": "main", "S": "subsidiary", "G": "guest", "F": "guest", "O": "guest"}
_STATUSES = ("main", "subsidiary", "guest", "pre-admission")
#: Age at 31 August before the year in which a pupil is in the group (England: Year 1 is 5 on entry).
_NURSERY_AGES = {"N1": 2, "N2": 3, "R": 4}
_OLDEST = 120


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A time on roll. Days are inclusive; `first_day` None: since the academic year began; `last_day` None: still."""

    first_day: date | None
    last_day: date | None
    status: str
    year_group: str
    boarder: bool = False
    part_time: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A time in a registration group, days as in `Enrolled`."""

    group_id: str
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A pupil as one record of a source lists them. refs: the first is the primary one, by which records are joined."""

    refs: Sequence[PupilReference]
    born: date | None
    enrolments: Sequence[Enrolled]
    groups: Sequence[Member] = ()
    #: Code of the authority in whose area the pupil lives; empty when the source does not say.
    residence_la_code: str = ""


def roster(pull: Pull, source: str, listed: Iterable[Listed], today: date) -> dict[str, Any]:
    """The record for `reference.roster.v1` from everybody that a source lists at a school; ages are of today's year.

    Records of one pupil (a leaver who came back) become one, with an enrolment each; what is said twice, as sources do
    where pages meet, stands once. Ordered, so that the same roster is the same message.
    """
    year_began = academic_year_days(academic_year(today))[0]
    pupils: dict[str, dict[str, Any]] = {}
    for one in listed:
        pupil = _pupil(one, year_began)
        known = pupils.setdefault(one.refs[0].ref, pupil)
        _join(known, pupil)
    for pupil in pupils.values():
        pupil["enrolments"].sort(key=lambda enrolment: enrolment["first_day"])
        pupil["groups"].sort(key=lambda group: (group["group_id"], group["first_day"]))
    return {
        "urn": pull.source.urn,
        "source": source,
        "taken_at": milliseconds(pull.taken_at),
        "pupils": [pupils[ref] for ref in sorted(pupils)],
    }


def references(scheme: str, own_id: str, mis_id: Any, upn: Any, upn_key: UpnKey) -> list[PupilReference]:
    """What a pupil goes by: the source's own id first, the MIS's where it is another, the UPN as a keyed hash."""
    refs = [PupilReference(scheme, own_id)]
    if mis_id:
        refs.append(PupilReference("mis", str(mis_id)))
    if upn:
        refs.append(upn_key.reference(str(upn)))
    return refs


def year_group(said: Any) -> str:
    """'N1', 'N2', 'R', '1' to '13', or what the source says ('X' is used for ungraded pupils)."""
    text = str("" if said is None else said).strip().upper().removeprefix("YEAR ")
    return {"0": "R", "N": "N2"}.get(text, text) or "X"


def status(said: Any) -> str:
    """An enrolment status of ours from the school census' letter, or from our own word; main where nothing is said."""
    text = str(said or "C").strip()
    return text.lower() if text.lower() in _STATUSES else _CENSUS_STATUS.get(text.upper(), "main")


def _pupil(listed: Listed, year_began: date) -> dict[str, Any]:
    enrolments = [_enrolment(one, year_began) for one in listed.enrolments]
    group = enrolments[-1]["year_group"] if enrolments else "X"
    return {
        "refs": [{"scheme": one.scheme, "ref": one.ref} for one in listed.refs],
        "age_31_august": _age(listed.born, group, year_began - timedelta(days=1)),
        "enrolments": enrolments,
        "groups": [
            {"group_id": one.group_id, **_times(one.first_day, one.last_day, year_began)} for one in listed.groups
        ],
        **({"residence_la_code": listed.residence_la_code} if listed.residence_la_code else {}),
    }


def _enrolment(one: Enrolled, year_began: date) -> dict[str, Any]:
    return {
        **_times(one.first_day, one.last_day, year_began),
        "status": one.status,
        "year_group": one.year_group,
        "boarder": one.boarder,
        "part_time": one.part_time,
    }


def _times(first_day: date | None, last_day: date | None, year_began: date) -> dict[str, Any]:
    """First and last day; one that ends before it begins lasts its first day."""
    first = first_day or year_began
    return {"first_day": days(first), "last_day": None if last_day is None else days(max(last_day, first))}


def _join(known: dict[str, Any], other: dict[str, Any]) -> None:
    known["enrolments"] = _once([*known["enrolments"], *other["enrolments"]], "first_day")
    if "residence_la_code" in other:
        known.setdefault("residence_la_code", other["residence_la_code"])
    known["groups"] = _once([*known["groups"], *other["groups"]], "group_id", "first_day", "last_day")


def _once(said: list[dict[str, Any]], *key: str) -> list[dict[str, Any]]:
    """What differs in the fields of `key`; of what does not, the first."""
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in said:
        kept.setdefault(tuple(one[name] for name in key), one)
    return list(kept.values())


def _age(born: date | None, group: str, on: date) -> int:
    if born is not None:
        return max(0, min(_OLDEST, on.year - born.year - ((on.month, on.day) < (born.month, born.day))))
    return int(group) + 4 if group.isdecimal() else _NURSERY_AGES.get(group, 0)

"""A school's roster from Wonde's students: references, dates and groups. Names and dates of birth stay where they are.

A pupil is never left out for a field that is missing, because the roster replaces the one before, and whoever is not on
it is not on roll: without a date of birth the age follows from the year group, without an admission date the pupil has
been on roll since the academic year began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from connectors.contract import Pull
from connectors.pupils import UpnKey
from connectors.wonde.shape import SCHEME, day_said, days
from rollcall.domain.identity import academic_year, academic_year_days

__all__ = ["TOPIC", "Listed", "roster"]

TOPIC = "reference.roster.v1"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: School census enrolment status: C current, M main and S subsidiary of a dual registration, G guest, O other provider,
#: F further education college.
_STATUS = {"C": "main", "M": "main", "S": "subsidiary", "G": "guest", "F": "guest", "O": "guest"}
#: Age at 31 August before the year in which a pupil is in the group (England: Year 1 is 5 on entry).
_NURSERY_AGES = {"N1": 2, "N2": 3, "R": 4}


class Listed(NamedTuple):
    """A student, and the enrolment status that the list says; None where the student's own status says it."""

    student: Mapping[str, Any]
    status: str | None = None


def roster(pull: Pull, students: Iterable[Listed], upn_key: UpnKey, today: date) -> dict[str, Any]:
    """The record for `reference.roster.v1` from everybody that Wonde lists at a school; ages are those of today's year.

    Records of one pupil (a leaver who came back) become one, with an enrolment each. Ordered, so that the same roster
    is the same message.
    """
    year_began = academic_year_days(academic_year(today))[0]
    pupils: dict[str, dict[str, Any]] = {}
    for listed in students:
        pupil = _pupil(listed, year_began, upn_key)
        wonde_id = pupil["refs"][0]["ref"]
        known = pupils.setdefault(wonde_id, pupil)
        if known is not pupil:
            _join(known, pupil)
    for pupil in pupils.values():
        pupil["enrolments"].sort(key=lambda enrolment: enrolment["first_day"])
        pupil["groups"].sort(key=lambda group: (group["group_id"], group["first_day"]))
    return {
        "urn": pull.source.urn,
        "source": SCHEME,
        "taken_at": (pull.taken_at - _EPOCH) // timedelta(milliseconds=1),
        "pupils": [pupils[wonde_id] for wonde_id in sorted(pupils)],
    }


def _pupil(listed: Listed, year_began: date, upn_key: UpnKey) -> dict[str, Any]:
    student = listed.student
    education, extended = _included(student, "education_details"), _included(student, "extended_details")
    year = _included(student, "year")
    year_group = _year_group(education.get("current_nc_year") or year.get("code") or year.get("name"))
    first_day = _day(education.get("admission_date")) or year_began
    last_day = _day(education.get("leaving_date"))
    open_to = None if last_day is None else days(max(last_day, first_day))
    enrolment = {
        "first_day": days(first_day),
        "last_day": open_to,
        "status": listed.status or _STATUS.get(str(extended.get("enrolment_status") or "C").upper(), "main"),
        "year_group": year_group,
        "boarder": bool(extended.get("boarder")),
        "part_time": education.get("part_time") in (True, 1, "1", "true"),
    }
    return {
        "refs": _refs(student, education, upn_key),
        "age_31_august": _age(_day(student.get("date_of_birth")), year_group, year_began - timedelta(days=1)),
        "enrolments": [enrolment],
        "groups": [
            {"group_id": group, "first_day": days(first_day), "last_day": open_to} for group in _groups(student)
        ],
    }


def _join(known: dict[str, Any], other: dict[str, Any]) -> None:
    starts = {enrolment["first_day"] for enrolment in known["enrolments"]}
    known["enrolments"] += [one for one in other["enrolments"] if one["first_day"] not in starts]
    known["groups"] += [one for one in other["groups"] if one not in known["groups"]]


def _refs(student: Mapping[str, Any], education: Mapping[str, Any], upn_key: UpnKey) -> list[dict[str, str]]:
    refs = [{"scheme": SCHEME, "ref": str(student["id"])}]
    if student.get("mis_id"):
        refs.append({"scheme": "mis", "ref": str(student["mis_id"])})
    if education.get("upn"):
        scheme, ref = upn_key.reference(str(education["upn"]))
        refs.append({"scheme": scheme, "ref": ref})
    return refs


def _groups(student: Mapping[str, Any]) -> list[str]:
    """Registration groups; where the MIS does not say which they are, every group."""
    included = student.get("groups")
    found = included.get("data") if isinstance(included, Mapping) else None
    groups = [group for group in found or [] if isinstance(group, Mapping) and (group.get("code") or group.get("id"))]
    registration = [group for group in groups if "registration" in str(group.get("type", "")).lower()]
    return sorted({str(group.get("code") or group.get("id")) for group in registration or groups})


def _year_group(said: Any) -> str:
    """'N1', 'N2', 'R', '1' to '13', or what the source says ('X' is used for ungraded pupils)."""
    text = str(said or "").strip().upper().removeprefix("YEAR ")
    return {"0": "R", "N": "N2"}.get(text, text) or "X"


def _age(born: date | None, year_group: str, on: date) -> int:
    if born is not None:
        return max(0, min(120, on.year - born.year - ((on.month, on.day) < (born.month, born.day))))
    if year_group.isdecimal():
        return int(year_group) + 4
    return _NURSERY_AGES.get(year_group, 0)


def _day(stamp: Any) -> date | None:
    try:
        return None if stamp is None else day_said(stamp)
    except ValueError:
        return None


def _included(student: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = student.get(name)
    found = value.get("data") if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}

"""A school's roster from Wonde's students: which of their fields says what. The rest is `connectors.roster`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple

from connectors import roster as rosters
from connectors.contract import Pull
from connectors.pupils import UpnKey
from connectors.roster import Enrolled, Member
from connectors.wonde.shape import SCHEME, day_said

__all__ = ["Listed", "roster"]


class Listed(NamedTuple):
    """A student, and the enrolment status that the list says; None where the student's own status says it."""

    student: Mapping[str, Any]
    status: str | None = None


def roster(pull: Pull, students: Iterable[Listed], upn_key: UpnKey, today: date) -> dict[str, Any]:
    """The record for `reference.roster.v1` from everybody that Wonde lists at a school."""
    return rosters.roster(pull, SCHEME, (_pupil(listed, upn_key) for listed in students), today)


def _pupil(listed: Listed, upn_key: UpnKey) -> rosters.Listed:
    student = listed.student
    education, extended = _included(student, "education_details"), _included(student, "extended_details")
    year = _included(student, "year")
    first_day, last_day = _day(education.get("admission_date")), _day(education.get("leaving_date"))
    enrolled = Enrolled(
        first_day=first_day,
        last_day=last_day,
        status=listed.status or rosters.status(extended.get("enrolment_status")),
        year_group=rosters.year_group(education.get("current_nc_year") or year.get("code") or year.get("name")),
        boarder=bool(extended.get("boarder")),
        part_time=education.get("part_time") in (True, 1, "1", "true"),
    )
    return rosters.Listed(
        refs=rosters.references(SCHEME, str(student["id"]), student.get("mis_id"), education.get("upn"), upn_key),
        born=_day(student.get("date_of_birth")),
        enrolments=[enrolled],
        groups=[Member(group, first_day, last_day) for group in _groups(student)],
    )


def _groups(student: Mapping[str, Any]) -> list[str]:
    """Registration groups; where the MIS does not say which they are, every group."""
    included = student.get("groups")
    found = included.get("data") if isinstance(included, Mapping) else None
    groups = [group for group in found or [] if isinstance(group, Mapping) and (group.get("code") or group.get("id"))]
    registration = [group for group in groups if "registration" in str(group.get("type", "")).lower()]
    return sorted({str(group.get("code") or group.get("id")) for group in registration or groups})


def _day(stamp: Any) -> date | None:
    try:
        return None if stamp is None else day_said(stamp)
    except ValueError:
        return None


def _included(student: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = student.get(name)
    found = value.get("data") if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}

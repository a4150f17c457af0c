"""A school's roster from the entities Pupils, Groups and GroupMemberships: which field says what. The rest is
`connectors.roster`.

The profile's own text specifies AttendanceSessions only. These entities follow its rules (Id, SchoolURN, IsDeleted,
dates as they are written) with the items of the Department's daily collection (domain facts 4.7) that rule 11 needs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from connectors import roster as rosters
from connectors.contract import Pull
from connectors.odata import shape
from connectors.pupils import UpnKey
from connectors.roster import Enrolled, Listed, Member

__all__ = ["ENTITIES", "roster"]

Rows = Iterable[Mapping[str, Any]]

#: The entities of a roster and their fields. Names are not asked for.
ENTITIES: dict[str, tuple[str, ...]] = {
    "Pupils": (
        "Id",
        "SchoolURN",
        "UPN",
        "MisId",
        "DateOfBirth",
        "YearGroup",
        "EnrolmentStart",
        "EnrolmentEnd",
        "EnrolmentStatus",
        "Boarder",
        "PartTime",
        "IsDeleted",
    ),
    "Groups": ("Id", "SchoolURN", "Name", "Type", "IsDeleted"),
    "GroupMemberships": ("Id", "SchoolURN", "PupilId", "GroupId", "StartDate", "EndDate", "IsDeleted"),
}


def roster(pull: Pull, scheme: str, rows: Mapping[str, Rows], upn_key: UpnKey, today: date) -> dict[str, Any]:
    """The record for `reference.roster.v1` from all rows of `ENTITIES` at a school, none of them deleted.

    Pupils has a row for each enrolment; a pupil who came back has two with one Id. scheme: that of the service's Ids.
    """
    groups = _registration_groups(rows["Groups"])
    members: dict[str, list[Member]] = defaultdict(list)
    for row in rows["GroupMemberships"]:
        group = groups.get(str(row.get("GroupId")))
        if group is not None:
            members[str(row.get("PupilId"))].append(Member(group, _day(row, "StartDate"), _day(row, "EndDate")))
    listed = (_pupil(row, scheme, members[str(row["Id"])], upn_key) for row in rows["Pupils"])
    return rosters.roster(pull, scheme, listed, today)


def _pupil(row: Mapping[str, Any], scheme: str, groups: list[Member], upn_key: UpnKey) -> Listed:
    enrolled = Enrolled(
        first_day=_day(row, "EnrolmentStart"),
        last_day=_day(row, "EnrolmentEnd"),
        status=rosters.status(row.get("EnrolmentStatus")),
        year_group=rosters.year_group(row.get("YearGroup")),
        boarder=row.get("Boarder") is True,
        part_time=row.get("PartTime") is True,
    )
    refs = rosters.references(scheme, str(row["Id"]), row.get("MisId"), row.get("UPN"), upn_key)
    return Listed(refs, _day(row, "DateOfBirth"), [enrolled], groups)


def _registration_groups(rows: Rows) -> dict[str, str]:
    """Id to name of the registration groups; where the service does not say which they are, of every group."""
    every = {str(row["Id"]): (str(row.get("Name") or row["Id"]), str(row.get("Type") or "")) for row in rows}
    registration = {group: name for group, (name, kind) in every.items() if "registration" in kind.lower()}
    return registration or {group: name for group, (name, _) in every.items()}


def _day(row: Mapping[str, Any], name: str) -> date | None:
    try:
        return None if row.get(name) is None else shape.day_said(row, name)
    except ValueError:
        return None

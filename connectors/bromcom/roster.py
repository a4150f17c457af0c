"""A pupil from a row of `StudentFlatView`: which of its fields says what. The rest is `connectors.roster`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from connectors import roster as rosters
from connectors.bromcom.shape import SCHEME
from connectors.pupils import UpnKey
from connectors.records import text
from connectors.roster import Enrolled, Member
from rollcall.domain.clock import date_as_written

__all__ = ["pupil"]

#: What a pupil without a tutor group is shown in.
_NO_GROUP = "NOTUTORGRP"
#: Boarder status of the school census: B boarder, 6 and 7 boarder of six or seven nights, N none.
_BOARDERS = frozenset("B67")


def pupil(record: Mapping[str, Any], upn_key: UpnKey) -> rosters.Listed:
    """A row as a pupil with one time on roll; a pupil who left and came back has a row for each.

    Raises ValueError when it has no id.
    """
    first_day, last_day = _day(record.get("enrolmentstartdate")), _day(record.get("enrolmentenddate"))
    student = text(record, "studentid", "the pupil's id")
    enrolled = Enrolled(
        first_day=first_day,
        last_day=last_day,
        status=rosters.status(_said(record, "enrolmentstatename")),
        year_group=rosters.year_group(record.get("yeargroup")),
        boarder=_said(record, "boarderstatuscode").upper() in _BOARDERS,
        part_time="part" in _said(record, "attendancemodedescription").lower(),
    )
    group = _said(record, "tutorgroupname")
    return rosters.Listed(
        refs=rosters.references(SCHEME, student, None, _said(record, "upn") or None, upn_key),
        born=_day(record.get("dateofbirth")),
        enrolments=[enrolled],
        groups=[Member(group, first_day, last_day)] if group and group.upper() != _NO_GROUP else [],
    )


def _said(record: Mapping[str, Any], name: str) -> str:
    return str(record.get(name) or "").strip()


def _day(said: Any) -> date | None:
    try:
        return None if said is None else date_as_written(str(said))
    except ValueError:
        return None

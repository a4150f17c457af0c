"""Which column of a file says what: by its heading, whatever its case, blanks and underscores.

Headings, and where they are from: Arbor's BI connector (`ROLL_CALL_ATTENDANCE`: STUDENT_ID, DATE, PERIOD,
RAW_MARK, MARK_CODE, MINUTES_LATE, APPLICATION_ID), SIMS' attendance APIs (PersonID,
AttendanceDate, SessionName, AttendanceMark, MinsLate, SIMS_Display_Code, Statutory_Return_Code), the OData provision
profile (SchoolURN, UPN, PupilId, SessionDate, Session, Mark, Modified, IsDeleted). The others are plain words for
the same. A source's options name what is called otherwise (`column.pupil = "Adno"`). A column that nothing here knows
is not read: names and comments go no further (rule 27). Ids of records are not read either (`shape.mark`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.csvdrop.unreadable import Unreadable
from rollcall.domain.codes import NATIONAL

__all__ = ["DATES", "ENROLMENTS", "GROUPS", "HEADINGS", "MARKS", "PUPILS", "ROSTER_KINDS", "Layout", "recognise"]

#: What a file is. The three kinds of the roster are joined by the pupil's id.
MARKS, PUPILS, ENROLMENTS, GROUPS = "marks", "pupils", "enrolments", "groups"
ROSTER_KINDS = (PUPILS, ENROLMENTS, GROUPS)

#: By what a column says: headings, in small letters and digits only.
HEADINGS: Mapping[str, frozenset[str]] = {
    role: frozenset(headings.split())
    for role, headings in {
        "pupil": "studentid pupilid personid",
        "upn": "upn uniquepupilnumber",
        "date": "date attendancedate sessiondate",
        "session": "session sessionname ampm",
        "period": "period periodname lessonperiod",
        "code": "mark code attendancemark attendancecode",
        "statutory": "statutoryreturncode statutorycode markcode",
        "display": "simsdisplaycode displaycode rawmark",
        "minutes": "minuteslate minslate",
        "modified": "modified modifiedat updatedat lastmodified recordedon",
        "deleted": "isdeleted deleted",
        "school": "schoolurn urn",
        "application": "applicationid",
        "exported": "exportedat extractedat exporttime",
        "mis": "misid",
        "born": "dateofbirth dob",
        "first_day": "firstday startdate admissiondate enrolmentstartdate",
        "last_day": "lastday enddate leavingdate enrolmentenddate",
        "status": "enrolmentstatus status",
        "year_group": "yeargroup currentncyear ncyear",
        "boarder": "boarder",
        "part_time": "parttime",
        "residence": "laofresidence residencelacode homelacode homela",
        "group": "group groupid groupname registrationgroup regform",
    }.items()
}
#: Columns that hold a day or an instant: together they show in which form the file writes its dates.
DATES = ("date", "modified", "exported", "born", "first_day", "last_day")
_CODES = ("code", "statutory", "display")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one file. places and headings: by what a column says. width: how many columns there are."""

    kind: str
    separator: str
    width: int
    places: Mapping[str, int]
    headings: Mapping[str, str]

    def heading(self, role: str) -> str:
        """What the file calls a column."""
        return self.headings.get(role, role)


def recognise(first_line: Sequence[str], separator: str, named: Mapping[str, str], code_scheme: str) -> Layout:
    """The columns that a file's first line names. named: headings of the source's own, by role.

    The code is the one that the source's scheme speaks of: statutory codes for `national`, display codes for a scheme
    of the school's own; where the file has only the other, it is refused. Raises Unreadable, quoting no heading that is
    not known: a file without headings begins with a pupil.
    """
    roles = {heading: role for role, headings in HEADINGS.items() if role not in named for heading in headings}
    roles.update({_plain(heading): role for role, heading in named.items()})
    places: dict[str, int] = {}
    headings: dict[str, str] = {}
    for place, heading in enumerate(first_line):
        role = roles.get(_plain(heading))
        if role is None:
            continue
        if role in places:
            raise Unreadable(f"two of its columns say the same: {headings[role]} and {heading.strip()}")
        places[role], headings[role] = place, heading.strip()
    if "period" in places and "session" not in places and "date" in places:
        # Arbor calls the half of the day a period; beside a session it is a lesson's (rule 7).
        places["session"], headings["session"] = places.pop("period"), headings.pop("period")
    kind = _kind(places)
    if kind == MARKS:
        _choose_code(places, headings, code_scheme)
    return Layout(kind, separator, len(first_line), places, headings)


def _kind(places: Mapping[str, int]) -> str:
    has = places.keys()
    if not {"pupil", "upn"} & has:
        raise Unreadable("its first line names no column with the pupil's id or UPN")
    if {"date", "session"} & has or set(_CODES) & has:
        missing = [name for name in ("date", "session") if name not in has]
        if not set(_CODES) & has:
            missing.append("code")
        if missing:
            raise Unreadable(f"its first line names no column with the {' and the '.join(missing)}")
        return MARKS
    if {"born", "upn"} & has:
        return PUPILS
    if "group" in has:
        return GROUPS
    if {"first_day", "year_group", "status"} & has:
        return ENROLMENTS
    raise Unreadable("its first line names neither the columns of marks nor those of a roster")


def _choose_code(places: dict[str, int], headings: dict[str, str], code_scheme: str) -> None:
    """Make `code` the column that the scheme speaks of, and `other_code` the one beside it, if there is one."""
    wanted, other = ("statutory", "display") if code_scheme == NATIONAL else ("display", "statutory")
    if wanted not in places and "code" not in places:
        what = "set code_scheme to local and publish a code map" if wanted == "statutory" else "set it to national"
        raise Unreadable(
            f"it has only {other} codes ({headings[other]}), and the school's code_scheme is another: {what}"
        )
    if wanted in places:
        places["code"], headings["code"] = places[wanted], headings[wanted]
    if other in places:
        places["other_code"], headings["other_code"] = places[other], headings[other]
    for name in ("statutory", "display"):
        places.pop(name, None)


def _plain(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", heading.casefold())

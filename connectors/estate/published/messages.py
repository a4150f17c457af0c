"""The messages of an invented school: reference data, and registers of thirty with what happens to registers.

Some registers are sent wrong first and right later, some pupils are marked by mistake and the mark is withdrawn, and a
kiosk says things about pupils who have no mark. What stands in the end is the pupils' own marks.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.estate.published.allocation import NONE
from connectors.estate.published.town import Pupil, School
from rollcall.domain.identity import academic_year, academic_year_days

__all__ = ["EVIDENCE", "REGISTER", "reference", "registers"]

REGISTER, EVIDENCE = "attendance.register.v1", "attendance.evidence.v1"
_GROUP = 30
#: Every so many registers: one sent wrong first, one with a mark withdrawn, one beside which a kiosk speaks.
_WRONG_FIRST, _WITHDRAWN, _KIOSK = 7, 11, 13
_NAMESPACE = uuid.UUID("6f1d2f6a-1a3e-5e0e-9d53-6b1c1c0b1a37")


def reference(school: School) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and record of everything that must be known before the school's first mark."""
    taken_at = datetime.combine(school.days[0], datetime.min.time(), UTC)
    first, last = academic_year_days(academic_year(school.days[0]))
    yield "reference.school.v1", {
        "urn": school.urn, "name": school.name, "la_code": school.la_code, "la_name": school.la_name,
        "region_code": school.region_code, "region_name": school.region_name, "trust_id": "", "trust_name": "",
        "establishment_type": school.establishment_type, "phase": school.phase, "state_funded": school.state_funded,
        "status": "open", "valid_from": date(2015, 9, 1), "valid_to": None, "taken_at": taken_at,
    }  # fmt: skip
    yield "reference.calendar.v1", {
        "urn": school.urn, "academic_year": academic_year(school.days[0]), "taken_at": taken_at,
        "terms": [{"name": "year", "first_day": first, "last_day": last}], "closures": [],
    }  # fmt: skip
    pupils = [_entry(pupil, number // _GROUP) for number, pupil in enumerate(school.pupils)]
    yield "reference.roster.v1", {"urn": school.urn, "source": "published", "taken_at": taken_at, "pupils": pupils}


def registers(school: School, day: date, session: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Topic and record of each message about a session, in the order in which they are sent."""
    at, place = school.days.index(day), 0 if session == "AM" else 1
    opened = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=8 if session == "AM" else 12)
    for number in range(0, len(school.pupils), _GROUP):
        group = number // _GROUP
        said = [(one.ref, one.marks[at][place]) for one in school.pupils[number : number + _GROUP]]
        marks = [(ref, code) for ref, code in said if code != NONE]
        silent = [ref for ref, code in said if code == NONE]
        turn = school.urn + at * 2 + place + group

        def sent(
            name: str, minutes: int, told: list[tuple[str, str]], *, complete: bool, group: int = group
        ) -> dict[str, Any]:
            identity = uuid.uuid5(_NAMESPACE, f"{school.urn}/{day}/{session}/{group}/{name}")
            return _register(school.urn, str(identity), f"G{group}", day, session, opened, minutes, told, complete)

        if marks and turn % _WRONG_FIRST == 0:
            yield REGISTER, sent("wrong", 50, [(marks[0][0], "N"), *marks[1:]], complete=True)
        if marks:
            yield REGISTER, sent("right", 60, marks, complete=True)
        if silent and turn % _WITHDRAWN == 0:
            yield REGISTER, sent("mistake", 70, [(silent[0], "/")], complete=False)
            yield REGISTER, sent("withdrawn", 80, [(silent[0], "-")], complete=False)
        if silent and turn % _KIOSK == 0:
            seen = sent("kiosk", 65, [(silent[-1], "L")], complete=False)
            del seen["amendments"]
            yield EVIDENCE, {**seen, "source": "front-desk", "group_id": "", "taken_by": None}


def _entry(pupil: Pupil, group: int) -> dict[str, Any]:
    return {
        "refs": [{"scheme": "mis", "ref": pupil.ref}],
        "age_31_august": pupil.age,
        "enrolments": [
            {
                "first_day": first, "last_day": last, "status": "main", "year_group": pupil.year_group,
                "boarder": False, "part_time": False,
            }
            for first, last in pupil.spans
        ],
        "groups": [
            {"group_id": f"G{group}", "first_day": first, "last_day": last} for first, last in pupil.spans
        ],
    }  # fmt: skip


def _register(
    urn: int, submission: str, group: str, day: date, session: str, opened: datetime, minutes: int,
    marks: list[tuple[str, str]], complete: bool,
) -> dict[str, Any]:  # fmt: skip
    submitted = opened + timedelta(minutes=minutes)
    return {
        "submission_id": submission, "urn": urn, "source": "classroom", "group_id": group, "session_date": day,
        "session": session, "period": None, "complete": complete, "revision": 1, "opened_at": opened,
        "closed_at": submitted, "submitted_at": submitted, "taken_by": "S1", "code_scheme": "national",
        "marks": [
            {"pupil_ref": ref, "pupil_scheme": "mis", "code": code, "minutes_late": 5 if code in ("L", "U") else None}
            for ref, code in marks
        ],
        "amendments": [],
    }  # fmt: skip

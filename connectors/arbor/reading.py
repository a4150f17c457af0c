"""Every object of a kind: read whole once, and after that what the change log says has changed.

A roster is some five objects a pupil, each a request of its own, and hardly any changes from one hour to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.arbor.client import ArborSchool, Found, Listed, NotShown
from connectors.http import Unreadable

__all__ = ["Remembered", "everything"]

#: So many objects are asked for at once, several at a time.
_PART = 100
#: All that is kept of an object, and of what it links to: no name of a person, no note (rule 27).
_FIELDS = frozenset(
    {
        "academicHolidayType",
        "academicLevel",
        "academicLevelName",
        "academicYear",
        "academicYearEnrolment",
        "active",
        "attendanceMark",
        "attendancePattern",
        "attendanceRegisterType",
        "attendanceRollCall",
        "attendanceRollCallTime",
        "code",
        "curriculumGrade",
        "d00018",
        "d00020",
        "date",
        "dateOfBirth",
        "effectiveDate",
        "endDate",
        "endDatetime",
        "enrolmentMode",
        "entityType",
        "entryDate",
        "fridayBoardingStatus",
        "holidayLabel",
        "href",
        "isAfternoon",
        "isMorning",
        "isPartTime",
        "isTemporary",
        "leavingDate",
        "mondayBoardingStatus",
        "name",
        "person",
        "registerClosesTime",
        "registerOpensTime",
        "registrationForm",
        "registrationFormName",
        "revisionId",
        "saturdayBoardingStatus",
        "shortName",
        "shortTermName",
        "startDate",
        "startDatetime",
        "student",
        "studentGroup",
        "studentNumber",
        "sundayBoardingStatus",
        "termName",
        "thursdayBoardingStatus",
        "tuesdayBoardingStatus",
        "upn",
        "wednesdayBoardingStatus",
    }
)


@dataclass
class _Known:
    revision: int
    objects: dict[str, Mapping[str, Any]]


class Remembered:
    """The objects of a connector's schools, in this process's memory: a new process reads everything again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}

    async def everything(self, school_id: str, school: ArborSchool, kind: str) -> list[Found] | None:
        """As `everything` has it."""
        place = (school_id, kind)
        known = self._known.get(place)
        if known is not None:
            changed = await self._changed(known, school, kind)
            if changed is None:
                del self._known[place]
            return changed
        # Before the list is read: what changes while it is read is in the log behind this revision.
        revision = await _revision(school, kind)
        found = await everything(school, kind)
        if found is not None and revision is not None:
            self._known[place] = _Known(revision, {one.id: one.object for one in found})
        return found

    @staticmethod
    async def _changed(known: _Known, school: ArborSchool, kind: str) -> list[Found] | None:
        changes = await school.changes(kind, known.revision)
        if isinstance(changes, Unreadable):
            return None
        read = await _objects(school, kind, [one.id for one in changes.changed if not one.deleted])
        if read is None:
            return None
        for one in changes.changed:
            known.objects.pop(one.id, None)
        known.objects.update({one.id: one.object for one in read})
        known.revision = changes.last
        return [Found(*one) for one in known.objects.items()]


async def everything(school: ArborSchool, kind: str) -> list[Found] | None:
    """Every object of a kind that is there, in the list's order; None when the list, or one of them, cannot be read.

    Raises SourceStopped, SourceError, NotShown.
    """
    ids: list[str] = []
    for page in await school.listed(kind):
        if not isinstance(page, Listed):
            return None
        ids += page.ids
    return await _objects(school, kind, ids)


async def _objects(school: ArborSchool, kind: str, ids: Sequence[str]) -> list[Found] | None:
    found: list[Found] = []
    for start in range(0, len(ids), _PART):
        part = ids[start : start + _PART]
        for one, read in zip(part, await school.objects(kind, part), strict=True):
            if isinstance(read, Unreadable):
                return None
            if read is not None:
                found.append(Found(one, _lean(read)))
    return found


async def _revision(school: ArborSchool, kind: str) -> int | None:
    """The newest revision that the log knows of a kind; None where no object shows one, or there is no log."""
    async for page in school.pages(kind):
        if isinstance(page, Listed):
            first = await school.object(kind, page.ids[0])
            revision = first.get("revisionId") if isinstance(first, Mapping) else None
            if isinstance(revision, int):
                try:
                    changes = await school.changes(kind, revision)
                except NotShown:
                    return None
                return None if isinstance(changes, Unreadable) else changes.last
        break
    return None


def _lean(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _lean(one) if isinstance(one, Mapping) else one for name, one in value.items() if name in _FIELDS}

"""A school's roster from its files: pupils, and beside them enrolments and groups where they are files of their own.

A roster is a state: the latest file of each kind is the school's, and one that cannot be read whole changes nothing,
because the roster replaces the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from connectors import roster as rosters
from connectors.contract import Source
from connectors.csvdrop.columns import ENROLMENTS, GROUPS, PUPILS
from connectors.csvdrop.dates import read_day
from connectors.csvdrop.export import Export, read
from connectors.csvdrop.shape import Reading, flag, pupil
from connectors.csvdrop.unreadable import Unreadable
from connectors.pupils import PupilReference, UpnKey
from connectors.roster import Enrolled, Listed, Member

__all__ = ["demand_readable", "listed"]

Row = Mapping[str, Any]


@dataclass(slots=True)
class _Pupil:
    refs: list[PupilReference]
    born: date | None = None
    year_group: str = ""
    residence: str = ""
    enrolments: list[Enrolled] = field(default_factory=list)
    groups: list[Member] = field(default_factory=list)


def listed(files: Mapping[str, Export], source: Source, pupil_scheme: str, upn_key: UpnKey) -> list[Listed]:
    """Everybody that the files list, by kind; a file of pupils must be among them.

    Enrolments and groups of files of their own stand in place of those that the file of pupils names. A pupil whom only
    they know is listed too. Raises Unreadable naming the file and the line, SourceError and OSError of reading.
    """
    pupils: dict[PupilReference, _Pupil] = {}

    def known(row: Row, how: Reading) -> _Pupil:
        who = pupil(row, how, upn_key)
        return pupils.setdefault(who, _Pupil([who]))

    def of_pupil(row: Row, how: Reading) -> None:
        one = known(row, how)
        own = one.refs[0]
        upn = row.get("upn", "").strip() if row.get("pupil", "").strip() else ""
        one.refs = rosters.references(own.scheme, own.ref, row.get("mis", "").strip(), upn, upn_key)
        one.born = _day(row, how, "born")
        one.year_group = row.get("year_group", "")
        one.residence = row.get("residence", "").strip()
        if ENROLMENTS not in files:
            one.enrolments.append(_enrolled(row, how, one.year_group))
        if GROUPS not in files:
            one.groups.extend(_members(row, how))

    def of_enrolment(row: Row, how: Reading) -> None:
        one = known(row, how)
        one.enrolments.append(_enrolled(row, how, one.year_group))

    def of_group(row: Row, how: Reading) -> None:
        known(row, how).groups.extend(_members(row, how))

    for kind, use in ((PUPILS, of_pupil), (ENROLMENTS, of_enrolment), (GROUPS, of_group)):
        if kind in files:
            _each(files[kind], source, pupil_scheme, use)
    return [Listed(one.refs, one.born, one.enrolments, one.groups, one.residence) for one in pupils.values()]


def demand_readable(export: Export, source: Source, pupil_scheme: str, upn_key: UpnKey) -> None:
    """Raises Unreadable with the line, when a file of the roster holds a row that cannot be read."""

    def use(row: Row, how: Reading) -> None:
        pupil(row, how, upn_key)
        _day(row, how, "born")
        _enrolled(row, how, "")

    _each(export, source, pupil_scheme, use)


def _each(export: Export, source: Source, pupil_scheme: str, use: Callable[[Row, Reading], None]) -> None:
    how = Reading(source, export.layout, export.dates, pupil_scheme, None)
    for row in read(export):
        try:
            if "problem" in row:
                raise ValueError(row["problem"])
            use(row, how)
        except ValueError as error:
            raise Unreadable(f"{export.name}, line {row['line']}: {error}") from None


def _enrolled(row: Row, how: Reading, year_group: str) -> Enrolled:
    return Enrolled(
        first_day=_day(row, how, "first_day"),
        last_day=_day(row, how, "last_day"),
        status=rosters.status(row.get("status", "").strip()),
        year_group=rosters.year_group(row.get("year_group", "").strip() or year_group),
        boarder=_flag(row, how, "boarder"),
        part_time=_flag(row, how, "part_time"),
    )


def _members(row: Row, how: Reading) -> list[Member]:
    group = row.get("group", "").strip()
    return [Member(group, _day(row, how, "first_day"), _day(row, how, "last_day"))] if group else []


def _day(row: Row, how: Reading, role: str) -> date | None:
    written = row.get(role, "").strip()
    try:
        return read_day(written, how.dates) if written else None
    except ValueError as error:
        raise ValueError(f"column {how.layout.heading(role)}: {error}") from None


def _flag(row: Row, how: Reading, role: str) -> bool:
    try:
        return flag(row.get(role, ""))
    except ValueError as error:
        raise ValueError(f"column {how.layout.heading(role)}: {error}") from None

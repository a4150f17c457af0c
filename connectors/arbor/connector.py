"""The Arbor connector: `connectors.contract.Connector` for Arbor's REST API.

A list gives links, and every object is fetched by itself. What changed is asked of the change log, which counts
revisions and dates nothing: the place where the next pull goes on is a revision of each kind of record, and what the
log says was deleted is told. A pull without a place reads everything, from `first_day` on.

The statutory mark is the roll call's, which Arbor derives from lessons; lesson marks are read beside it and count in
no figure (rule 7). A roll-call time that is corrected makes Arbor derive past days again: those records change, and the
log says so.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import structlog

from connectors.access import Access
from connectors.arbor import roster, shape, timetable
from connectors.arbor.client import NAME, ArborClient, ArborSchool, Found, NotShown, path_of
from connectors.arbor.reading import Remembered, everything
from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Reference, Source
from connectors.http import Unreadable
from connectors.pupils import UpnKey
from connectors.records import read_page, strange_codes
from connectors.roster import TOPIC as ROSTER_TOPIC
from rollcall import metrics
from rollcall.domain.clock import london_date
from rollcall.errors import ConfigError, SourceError

__all__ = ["ArborConnector"]

log = structlog.get_logger()

#: So many objects of the change log are a page.
_PAGE = 100
_CHANGE_LOG = "changelog"
#: Where a record of these days is found, its revision is close to the newest; else any record will do.
_RECENT_DAYS = (0, 7, None)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of record that holds marks. on: the property that says when."""

    name: str
    on: str
    with_times: bool
    bare: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    record_id: Callable[[str], str]

    def between(self, first_day: date | None, last_day: date | None) -> dict[str, str]:
        """Filters for these days and, where Arbor takes its operators as inclusive, little more."""
        after, before = (" 23:59:59", " 00:00:00") if self.with_times else ("", "")
        filters = {}
        if first_day is not None:
            filters[f"{self.on}.after"] = f"{first_day - timedelta(days=1)}{after}"
        if last_day is not None:
            filters[f"{self.on}.before"] = f"{last_day + timedelta(days=1)}{before}"
        return filters


_ROLL_CALL = _Kind("AttendanceRollCallRecord", "recordDate", False, shape.bare_roll_call_record, str)
_LESSON = _Kind("AttendanceRecord", "startDatetime", True, shape.bare_lesson_record, shape.lesson_id)


class ArborConnector(Connector):
    """Reads the schools that one Access lets it read, through one client. A school's id is the name of its host there.

    Options: `lessons` and `registers`, yes by default: whether lesson marks, and register times and terms, are read;
    `first_day` (YYYY-MM-DD): a pull that reads everything begins there. today: as for the other makes, the day it is.
    """

    make = NAME

    def __init__(self, access: Access, client: ArborClient, upn_key: UpnKey, *, today: date | None = None) -> None:
        super().__init__(access.name)
        self._access = access
        self._client = client
        self._upn_key = upn_key
        self._today = today
        self._kinds = (_ROLL_CALL, _LESSON) if _yes(access, "lessons") else (_ROLL_CALL,)
        self._registers = _yes(access, "registers")
        self._first_day = _first_day(access)
        self._remembered = Remembered()

    async def discover(self) -> Sequence[Source]:
        """The schools we were told of: each has a host of its own, and none knows the others."""
        return self._access.sources

    async def check(self, source: Source) -> Sequence[str]:
        """Whether we are let in and may read what we need, its codes are in the scheme it is said to use, its roll
        calls say which is the morning's, and its records have revisions. The URN cannot be checked: of the schools
        that Arbor lists, nothing says which is this one."""
        found: list[str] = []
        try:
            school = self._school(source)
            context = _Context(school)
            codes, sessions = await context.codes(), await context.sessions()
            async for page in school.pages("Student"):
                if isinstance(page, Unreadable):
                    found.append(f"Arbor's list of students cannot be read: {page.reason}")
                break
            sample = await self._sample(school, _ROLL_CALL, None)
        except (SourceError, ConfigError) as error:
            return [str(error)]
        found += strange_codes(self.name, source, codes.values())
        if {"AM", "PM"} - set(sessions.values()):
            found.append("its roll calls do not say which is the morning's and which the afternoon's")
        if isinstance(sample, Found) and not isinstance(sample.object.get("revisionId"), int):
            found.append("its records show no revisionId: changes cannot be asked for, and every pull reads everything")
        return found

    async def pull(self, pull: Pull) -> AsyncIterator[Page | BadPage]:
        """Roll-call marks, lesson marks, and (not for a window) deletions with the place where the next pull begins."""
        school = self._school(pull.source)
        context = _Context(school)
        places = _places(pull.place)
        gone: list[dict[str, str]] = []
        for kind in self._kinds:
            place = None if pull.complete else places.get(kind.name)
            if place is not None:
                changes = await school.changes(kind.name, place)
                if isinstance(changes, Unreadable):
                    yield BadPage(f"{path_of(kind.name)}/{_CHANGE_LOG}", 0, changes.reason, None)
                    continue
                places[kind.name] = changes.last
                gone += [{"id": kind.record_id(one.id)} for one in changes.changed if one.deleted]
                ids = [one.id for one in changes.changed if not one.deleted]
                for number, start in enumerate(range(0, len(ids), _PAGE)):
                    read = await _read(school, context, kind, number, ids[start : start + _PAGE])
                    gone += [{"id": kind.record_id(one)} for one in read.gone]
                    for page in read.pages:
                        yield page
                continue
            if not pull.complete:
                # Before the list is read: what changes while it is read must be in the log behind this place.
                newest = await self._newest(school, kind, london_date(pull.taken_at))
                if isinstance(newest, BadPage):
                    yield newest
                elif newest is not None:
                    places[kind.name] = newest
            for listed in await school.listed(kind.name, self._filters(pull, kind)):
                if isinstance(listed, Unreadable):
                    yield BadPage(path_of(kind.name), listed.number, listed.reason, listed.body)
                    continue
                read = await _read(school, context, kind, listed.number, listed.ids)
                if len(read.gone) == len(listed.ids) > 1:
                    raise SourceError(
                        f"Arbor lists {path_of(kind.name)} and then has none of them (404): nothing is said"
                    )
                for page in read.pages:
                    yield page
        if not pull.complete:
            yield Page(_CHANGE_LOG, 0, gone, place=json.dumps(places, sort_keys=True) if places else None)

    def to_message(self, pull: Pull, page: Page) -> MarksPage:
        """Marks of records, ids of what the change log says is gone."""
        if page.resource == _CHANGE_LOG:
            return read_page(pull, page.records, lambda record: str(record["id"]), shape.BARE_FIELDS)
        codes, sessions = page.context["codes"], page.context["sessions"]
        return read_page(pull, page.records, lambda record: shape.mark(record, codes, sessions), shape.BARE_FIELDS)

    async def reference(self, pull: Pull) -> AsyncIterator[Reference]:
        """The roster, the times of its registers and this year's terms; nothing of what cannot be read whole."""
        school, key = self._school(pull.source), str(pull.source.urn)
        today = self._today or london_date(pull.taken_at)
        found = await self._everything(pull, school, roster.KINDS, roster.MAY_BE_MISSING)
        if found is None:
            return
        if found["Student"]:
            yield Reference(ROSTER_TOPIC, key, roster.roster(pull, found, self._upn_key, today))
        else:
            # A school without pupils is a source that has not filled up, not a school that has emptied.
            log.warning("roster_empty", school=pull.source.id, urn=pull.source.urn)
        if not self._registers:
            return
        times = await self._everything(pull, school, timetable.KINDS, timetable.MAY_BE_MISSING)
        if times is None:
            return
        times = {**times, "RegistrationForm": found["RegistrationForm"]}
        registers, calendar = timetable.registers(pull, times), timetable.calendar(pull, times, today)
        if registers is not None:
            yield Reference(timetable.REGISTER_TOPIC, key, registers)
        if calendar is not None:
            yield Reference(timetable.CALENDAR_TOPIC, key, calendar)

    def _school(self, source: Source) -> ArborSchool:
        return self._client.school(source.id, self._access.secret_of(source.id))

    def _filters(self, pull: Pull, kind: _Kind) -> dict[str, str]:
        if pull.window is not None:
            return kind.between(pull.window.first_day, pull.window.last_day)
        return kind.between(self._first_day, None)

    async def _newest(self, school: ArborSchool, kind: _Kind, today: date) -> int | BadPage | None:
        """A revision that was there already, as new as can be told; None where no record or no revision is shown."""
        for recent in _RECENT_DAYS:
            sample = await self._sample(school, kind, None if recent is None else today - timedelta(days=recent))
            if isinstance(sample, Unreadable):
                return BadPage(path_of(kind.name), 0, sample.reason, sample.body)
            if sample is not None:
                revision = sample.object.get("revisionId")
                if not isinstance(revision, int):
                    return None
                changes = await school.changes(kind.name, revision)
                return revision if isinstance(changes, Unreadable) else changes.last
        return None

    async def _sample(self, school: ArborSchool, kind: _Kind, since: date | None) -> Found | Unreadable | None:
        """A record of these days, None where there is none."""
        async for page in school.pages(kind.name, kind.between(since, None)):
            if isinstance(page, Unreadable):
                return page
            found = await school.object(kind.name, page.ids[-1])
            if isinstance(found, Unreadable):
                return Unreadable(0, found.reason, b"")
            return None if found is None else Found(page.ids[-1], found)
        return None

    async def _everything(
        self, pull: Pull, school: ArborSchool, kinds: Sequence[str], may_be_missing: frozenset[str]
    ) -> dict[str, list[Found]] | None:
        """Every object of these kinds; None, and said in the log, when it cannot be read whole."""
        found: dict[str, list[Found]] = {}
        for kind in kinds:
            try:
                read = await self._remembered.everything(pull.source.id, school, kind)
            except NotShown as error:
                if kind not in may_be_missing:
                    log.error("reference_not_shown", school=pull.source.id, resource=path_of(kind), why=str(error))
                    return None
                log.info("reference_not_shown", school=pull.source.id, resource=path_of(kind))
                read = []
            if read is None:
                metrics.CONNECTOR_PAGES.labels(connector=self.name, outcome="unparsable").inc()
                log.error("roster_unreadable", school=pull.source.id, resource=path_of(kind))
                return None
            found[kind] = read
        return found


class _Context:
    """What the records of one pull lean on, read when the first record needs it."""

    def __init__(self, school: ArborSchool) -> None:
        self._school = school
        self._codes: dict[str, str] | None = None
        self._sessions: dict[str, str] | None = None

    async def codes(self) -> dict[str, str]:
        """The code of each of the school's marks, by id: ids and codes mean nothing at another school."""
        if self._codes is None:
            marks = await self._all("AttendanceMark")
            self._codes = {one.id: shape.code_of(one.object) or "" for one in marks}
        return self._codes

    async def sessions(self) -> dict[str, str]:
        """AM or PM of each of the school's roll calls that says so, by id."""
        if self._sessions is None:
            calls = await self._all("AttendanceRollCall")
            try:
                types = {one.id: one.object for one in await self._all("AttendanceRegisterType")}
            except NotShown:
                types = {}  # then a roll call's own name must say it
            of = {one.id: shape.session_of(one.object, types) for one in calls}
            self._sessions = {call: session for call, session in of.items() if session is not None}
        return self._sessions

    async def _all(self, kind: str) -> list[Found]:
        found = await everything(self._school, kind)
        if found is None:
            raise SourceError(f"the school's list of {path_of(kind)} cannot be read: its marks wait")
        return found


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of objects: what was read and what could not be, and the ids of those that are not there."""

    pages: Sequence[Page | BadPage]
    gone: Sequence[str]


async def _read(school: ArborSchool, context: _Context, kind: _Kind, number: int, ids: Sequence[str]) -> _Page:
    """The objects of these ids as a page, in this order. One that changed since it was listed is as it is now."""
    records: list[dict[str, Any]] = []
    bad: list[BadPage] = []
    gone: list[str] = []
    for one, found in zip(ids, await school.objects(kind.name, ids), strict=True):
        if found is None:
            gone.append(one)
        elif isinstance(found, Unreadable):
            # Without its bytes: an object shows its pupil's name.
            bad.append(BadPage(f"{path_of(kind.name)}/{one}", number, found.reason, None))
        else:
            records.append(kind.bare(one, found))
    codes = await context.codes() if any(one["code"] is None and one["attendanceMark"] for one in records) else {}
    unknown = any(one.get("session", "") is None and one["attendanceRollCall"] for one in records)
    sessions = await context.sessions() if unknown else {}
    page = Page(path_of(kind.name), number, records, {"codes": codes, "sessions": sessions})
    return _Page([page, *bad] if records else bad, gone)


def _places(said: str | None) -> dict[str, int]:
    return {} if said is None else {str(kind): int(revision) for kind, revision in json.loads(said).items()}


def _yes(access: Access, option: str) -> bool:
    said = access.options.get(option, "yes")
    if said not in ("yes", "no"):
        raise ConfigError(f"option {option} of {access.name} is {said!r}; yes or no is wanted")
    return said == "yes"


def _first_day(access: Access) -> date | None:
    said = access.options.get("first_day")
    try:
        return None if said is None else date.fromisoformat(said)
    except ValueError:
        raise ConfigError(f"option first_day of {access.name} is {said!r}; a date as 2025-09-01 is wanted") from None

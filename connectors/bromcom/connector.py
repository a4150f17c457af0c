"""The Bromcom connector: `connectors.contract.Connector` for Bromcom's Partner API.

What changed is read from `Attendances`, by `recordedOn`. A window is read week by week: its `Attendances`, which know
how late and when; then the rows of `StudentAttendanceByWeek`, of which only what differs is said; then the lessons of
`BasicAttendance`. A mark stands as long as one of them holds it: Bromcom tells of no deletions (rule 18).

Not published: `reference.school.v1`, `reference.register.v1` and calendars. Nothing seen says how Bromcom gives them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import structlog

from connectors.access import Access
from connectors.bromcom import shape
from connectors.bromcom.client import NAME, BromcomClient, RawPage, Unreadable, let_in
from connectors.bromcom.roster import pupil
from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Reference, Source, Window
from connectors.http import LetIn
from connectors.pupils import UpnKey
from connectors.records import read_page
from connectors.roster import TOPIC as ROSTER_TOPIC
from connectors.roster import Listed, roster
from rollcall import metrics
from rollcall.domain.clock import LONDON, local_instant, london_date
from rollcall.domain.identity import academic_year, academic_year_days
from rollcall.errors import RollcallError

__all__ = ["BromcomConnector"]

log = structlog.get_logger()

_MARKS, _WEEKS, _LESSONS, _PUPILS = "Attendances", "StudentAttendanceByWeek", "BasicAttendance", "StudentFlatView"
#: Asks for little, to see whether an entity is shared at all: what lies in the future, a pupil whom nobody is.
_NOTHING = {
    _MARKS: "calendarStartDate>='2999-01-01T00:00:00'",
    _WEEKS: "startDate>='2999-01-01T00:00:00'",
    _PUPILS: "studentId=0",
}
#: Of the schools that a school's Bromcom knows, the first is itself. It is read for its URN only.
_SCHOOLS, _OWN_SCHOOL = "Schools", "schoolID=1"
_SINCE_EVER = "calendarStartDate>='1900-01-01T00:00:00'"
_WEEK = timedelta(days=7)


class BromcomConnector(Connector):
    """Reads the schools that one Access lets it read, through one client.

    The option `secret_in` of the Access says where the secret goes: "headers" (without it), or "query".
    today: the day it is, for the pupils' ages; None: the day it really is in London. A played day of the past needs it.
    """

    make = NAME
    sends_deletions = False

    def __init__(self, access: Access, client: BromcomClient, upn_key: UpnKey, *, today: date | None = None) -> None:
        super().__init__(access.name)
        self._access = access
        self._client = client
        self._upn_key = upn_key
        self._today = today

    async def discover(self) -> Sequence[Source]:
        """The schools we were told of: Bromcom gives no list of them."""
        return self._access.sources

    async def check(self, source: Source) -> Sequence[str]:
        """Whether we are let in, the school shares each entity that a pull cannot do without, and the URN is its own,
        where Bromcom says one."""
        try:
            secret = self._let_in(source)
            answers = [await self._client.shares(*one, secret) for one in _asked(source)]
        except RollcallError as error:
            return [str(error)]
        answers.append(await self._another_urn(source, secret))
        return [answer for answer in answers if answer]

    async def pull(self, pull: Pull) -> AsyncIterator[Page | BadPage]:
        """What was recorded since; or a window, week by week."""
        numbered = _Numbers()
        if pull.window is None:
            async for page in self._pages(pull, _MARKS, _recorded_since(pull.since)):
                yield numbered.page(_MARKS, page, {})
            return
        for monday, asked in _weeks(pull.window):
            said: dict[str, str] = {}
            whole = True
            async for page in self._pages(pull, _MARKS, _begins_in(asked)):
                whole = whole and isinstance(page, RawPage)
                read = numbered.page(_MARKS, page, {})
                yield read
                if isinstance(read, Page):
                    said.update((mark["record_id"], mark["code"]) for mark in self.to_message(pull, read).marks)
            if not whole:
                # The week's rows would say again, without minutes and times, what could not be read with them.
                continue
            context = {"monday": monday, "said": said}
            async for page in self._pages(pull, _WEEKS, _week_of(monday)):
                yield numbered.page(_WEEKS, page, context)
            async for page in self._pages(pull, _LESSONS, _begins_in(asked), optional=True):
                yield numbered.page(_LESSONS, page, context)

    def to_message(self, pull: Pull, page: Page) -> MarksPage:
        """Marks of `Attendances` as they are; of a week and its lessons what `Attendances` has not said just so."""
        if page.resource == _MARKS:
            return read_page(pull, page.records, shape.attendance, shape.KEPT_FIELDS)
        said: Mapping[str, str] = page.context["said"]

        def read(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
            if page.resource == _WEEKS:
                found = shape.week(record, page.context["monday"])
            else:
                one = shape.lesson(record)
                found = [] if one is None else [one]
            return [mark for mark in found if not _same(said.get(mark["record_id"]), mark["code"])]

        return read_page(pull, page.records, read, shape.KEPT_FIELDS)

    async def reference(self, pull: Pull) -> AsyncIterator[Reference]:
        """The roster: who is on roll at some time of the academic year; nothing when a page of it is unreadable."""
        today = self._today or london_date(pull.taken_at)
        first, last = academic_year_days(academic_year(today))
        on_roll = f"enrolmentStartDate<='{last}' and (enrolmentEndDate>='{first}' or isnull(enrolmentEndDate,'')='')"
        pupils: list[Listed] = []
        async for page in self._pages(pull, _PUPILS, on_roll):
            try:
                if isinstance(page, Unreadable):
                    raise ValueError(page.reason)
                pupils.extend(pupil(record, self._upn_key) for record in page.records)
            except ValueError as error:
                metrics.CONNECTOR_PAGES.labels(connector=self.name, outcome="unparsable").inc()
                log.error("roster_unreadable", school=pull.source.id, page=page.number, why=str(error))
                return
        if pupils:
            yield Reference(ROSTER_TOPIC, str(pull.source.urn), roster(pull, shape.SCHEME, pupils, today))
        else:
            # A school without pupils is a source that has not filled up, not a school that has emptied.
            log.warning("roster_empty", school=pull.source.id, urn=pull.source.urn)

    async def _another_urn(self, source: Source, secret: LetIn) -> str:
        """A line when Bromcom says another URN of the school; '' when it says ours or none: nobody needs it."""
        try:
            schools = await self._client.few(_SCHOOLS, source, _OWN_SCHOOL, secret)
        except RollcallError as error:
            log.info("urn_not_checked", school=source.id, why=str(error))
            return ""
        urns = [urn for one in schools if (urn := shape.urn(one)) is not None]
        if not urns:
            log.info("urn_not_checked", school=source.id, why="Bromcom says no URN of this school")
        if not urns or source.urn in urns:
            return ""
        return f"Bromcom says that {source.id} has the URN {urns[0]}, not {source.urn}"

    def _pages(
        self, pull: Pull, entity: str, entity_filter: str, *, optional: bool = False
    ) -> AsyncIterator[RawPage | Unreadable]:
        return self._client.pages(entity, pull.source, entity_filter, self._let_in(pull.source), optional=optional)

    def _let_in(self, source: Source) -> LetIn:
        return let_in(self._access.secret_of(source.id), self._access.options.get("secret_in", "headers"))


class _Numbers:
    """Numbers the pages of each entity through a pull: a window asks for the same entity once a week."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def page(self, entity: str, page: RawPage | Unreadable, context: Mapping[str, Any]) -> Page | BadPage:
        number = self._next.get(entity, 0)
        self._next[entity] = number + 1
        if isinstance(page, Unreadable):
            return BadPage(entity, number, page.reason, page.body)
        return Page(entity, number, page.records, context)


def _asked(source: Source) -> Iterator[tuple[str, Source, str]]:
    for entity, nothing in _NOTHING.items():
        yield entity, source, nothing


def _same(said: str | None, code: str) -> bool:
    """Whether a code is what `Attendances` said of the same place. Without its subcode it is: "Y" may mean its "Y1"."""
    return said is not None and (said == code or (len(code) == 1 and said.startswith(code)))


def _recorded_since(since: datetime | None) -> str:
    """In Bromcom's own time, London's; where that hour comes twice, from the first time on."""
    if since is None:
        return _SINCE_EVER
    local = since.astimezone(LONDON).replace(tzinfo=None)
    if local_instant(local).ambiguous:
        local -= timedelta(hours=1)
    return f"recordedOn>='{local:%Y-%m-%dT%H:%M:%S}'"


def _begins_in(asked: Window) -> str:
    first, last = asked.first_day, asked.last_day
    return f"calendarStartDate>='{first}T00:00:00' and calendarStartDate<='{last}T23:59:59'"


def _week_of(monday: date) -> str:
    """The week with this Monday's noon in it."""
    return f"startDate<='{monday}T12:00:00' and endDate>='{monday}T12:00:00'"


def _weeks(window: Window) -> Iterator[tuple[date, Window]]:
    """The Monday of each week that the window touches, and the days of the window in it."""
    monday = window.first_day - timedelta(days=window.first_day.weekday())
    while monday <= window.last_day:
        sunday = monday + timedelta(days=6)
        yield monday, Window(max(monday, window.first_day), min(sunday, window.last_day))
        monday += _WEEK

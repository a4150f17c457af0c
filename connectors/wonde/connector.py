"""The Wonde connector: `connectors.contract.Connector` for Wonde's API.

Not published: `reference.school.v1` and `reference.register.v1`. Wonde knows neither a school's trust, region and type
nor when its registers close; a message would replace better facts with poorer ones. `check` compares the URN instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date
from typing import Any

import structlog

from connectors.access import Access
from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Reference, Source
from connectors.pupils import UpnKey
from connectors.records import read_page, strange_codes
from connectors.roster import TOPIC as ROSTER_TOPIC
from connectors.wonde import shape
from connectors.wonde.client import Unreadable, WondeClient
from connectors.wonde.lists import Lists, Remembered
from connectors.wonde.roster import Listed, roster
from rollcall import metrics
from rollcall.domain.clock import london_date
from rollcall.domain.summaries import Summary
from rollcall.errors import SourceError

__all__ = ["VERSION", "WondeConnector"]

log = structlog.get_logger()

#: The version of the API that this connector reads; a base URL may leave it out.
VERSION = "/v1.0"

_SESSIONS, _LESSONS, _DELETIONS = "attendance/session", "attendance/lesson", "deletions"
_SUMMARIES = "attendance-summaries"
_CODES, _PERIODS = "attendance-codes", "periods"
#: The field of each list by which records are understood.
_LISTS = {_CODES: "code", _PERIODS: "name"}
#: Where pupils are listed, and the enrolment status that the list itself says, if any (rule 11).
_STUDENTS = {"students": None, "students-leaver": None, "students-pre-admission": "pre-admission"}


class WondeConnector(Connector):
    """Reads the schools that one Access lets it read, through one client.

    today: the day it is, for the pupils' ages; None: the day it really is in London. A played day of the past needs it.
    """

    make = "wonde"
    #: `updated_after` with the dates of a window, and `deletions`. What is changed bears a new time there.
    tells_changes_of_days = True

    def __init__(self, access: Access, client: WondeClient, upn_key: UpnKey, *, today: date | None = None) -> None:
        super().__init__(access.name)
        self._access = access
        self._client = client
        self._upn_key = upn_key
        self._today = today
        self._lists: Remembered = {}

    async def discover(self) -> Sequence[Source]:
        """The schools we were told of; where there are none, those that Wonde says the token may read."""
        if self._access.sources or self._access.secret is None:
            return self._access.sources
        found: list[Source] = []
        async for page in self._client.pages("schools", self._access.secret, {}):
            if isinstance(page, Unreadable):
                raise SourceError(f"Wonde's list of schools cannot be read: {page.reason}")
            for school in page.records:
                urn = str(school.get("urn") or "")
                if urn.isdecimal() and int(urn):
                    found.append(self._access.source(str(school["id"]), int(urn)))
                else:
                    log.warning("school_without_urn", school=str(school.get("id")))
        return found

    async def check(self, source: Source) -> Sequence[str]:
        """Whether we are let in, the URN is the school's, and its codes are in the scheme it is said to use."""
        try:
            token = self._access.secret_of(source.id)
            school = await self._client.one(f"schools/{source.id}", token)
            codes = await self._names(source, token, _CODES, _LISTS[_CODES])
        except SourceError as error:
            return [str(error)]
        found = []
        if str(school.get("urn")) != str(source.urn):
            found.append(f"Wonde says that {source.id} has the URN {school.get('urn')}, not {source.urn}")
        return [*found, *strange_codes(self.name, source, codes.values())]

    async def pull(self, pull: Pull) -> AsyncIterator[Page | BadPage]:
        """Session marks, lesson marks, and (for a window, what is gone since an instant of which we know) deletions."""
        token = self._access.secret_of(pull.source.id)
        lists = Lists(pull, lambda resource: self._names(pull.source, token, resource, _LISTS[resource]), self._lists)
        if pull.complete or pull.window is None:
            await lists.names(_CODES)
        tells_gone = pull.window is None or pull.gone_since is not None
        for resource in (_SESSIONS, _LESSONS, _DELETIONS) if tells_gone else (_SESSIONS, _LESSONS):
            async for page in self._client.pages(f"schools/{pull.source.id}/{resource}", token, _query(pull, resource)):
                if isinstance(page, Unreadable):
                    yield BadPage(resource, page.number, page.reason, page.body)
                elif page.records:
                    context: dict[str, Any] = {}
                    if resource != _DELETIONS:
                        named = (record.get("attendance_code") for record in page.records)
                        context["codes"] = await lists.names(_CODES, named)
                    if resource == _LESSONS:
                        named = (record["period"] for record in page.records if record.get("period") is not None)
                        context["periods"] = await lists.names(_PERIODS, named)
                    yield Page(resource, page.number, page.records, context)

    def to_message(self, pull: Pull, page: Page) -> MarksPage:
        """Marks of attendance pages, ids of deletion pages."""
        if page.resource == _DELETIONS:
            return read_page(pull, page.records, shape.deletion, shape.KEPT_FIELDS)
        codes, periods = page.context["codes"], page.context["periods"] if page.resource == _LESSONS else None
        return read_page(pull, page.records, lambda record: shape.mark(record, codes, periods), shape.KEPT_FIELDS)

    async def reference(self, pull: Pull) -> AsyncIterator[Reference]:
        """The roster: pupils on roll, leavers, pupils before admission; nothing when any page of them is unreadable."""
        token = self._access.secret_of(pull.source.id)
        students: list[Listed] = []
        query = {"include": "education_details,extended_details,year,groups"}
        for resource, status in _STUDENTS.items():
            async for page in self._client.pages(f"schools/{pull.source.id}/{resource}", token, query):
                if isinstance(page, Unreadable) or not all(_is_student(record) for record in page.records):
                    metrics.CONNECTOR_PAGES.labels(connector=self.name, outcome="unparsable").inc()
                    log.error("roster_unreadable", school=pull.source.id, resource=resource, page=page.number)
                    return
                students.extend(Listed(record, status) for record in page.records)
        if students:
            today = self._today or london_date(pull.taken_at)
            yield Reference(ROSTER_TOPIC, str(pull.source.urn), roster(pull, students, self._upn_key, today))
        else:
            # A school without pupils is a source that has not filled up, not a school that has emptied.
            log.warning("roster_empty", school=pull.source.id, urn=pull.source.urn)

    async def summaries(self, source: Source) -> AsyncIterator[Summary]:
        """`attendance-summaries`; one that cannot be read, or a page, and there is no count of the school."""
        token = self._access.secret_of(source.id)
        async for page in self._client.pages(f"schools/{source.id}/{_SUMMARIES}", token, {}):
            if isinstance(page, Unreadable):
                raise SourceError(f"a page of {_SUMMARIES} cannot be read: {page.reason}")
            for record in page.records:
                try:
                    yield shape.summary(record)
                except ValueError as error:
                    raise SourceError(f"a record of {_SUMMARIES} cannot be read: {error}") from None

    async def _names(self, source: Source, token: str, resource: str, name: str) -> dict[str, str]:
        """What a list of this school calls each id: the same id is something else at the next school."""
        names: dict[str, str] = {}
        async for page in self._client.pages(f"schools/{source.id}/{resource}", token, {}):
            if isinstance(page, Unreadable):
                raise SourceError(f"the school's list of {resource} cannot be read: its marks wait")
            names.update({str(record["id"]): str(record.get(name) or "") for record in page.records if "id" in record})
        return names


def _query(pull: Pull, resource: str) -> dict[str, str]:
    query: dict[str, str] = {}
    if resource == _LESSONS:
        query["include"] = "lesson,lesson.period"
    since = pull.since
    if pull.window is not None and resource == _DELETIONS:  # which tells ids, and no days
        since = pull.gone_since
    elif pull.window is not None:
        query["date_from"], query["date_to"] = pull.window.first_day.isoformat(), pull.window.last_day.isoformat()
    if since is not None:
        query["updated_after"] = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return query


def _is_student(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("id"), str | int) and bool(record["id"])

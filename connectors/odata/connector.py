"""The OData connector: `connectors.contract.Connector` for services of the data provision profile.

What such services are known to do (domain facts 4.7), and what is done here:

- they ignore `$filter`: rows of other schools, other days and earlier than asked are left out here, whatever was asked;
- they skip or repeat rows while data changes under their paging: a repeat is harmless; a skipped row comes with the
  overlap of the next pull if it changed lately, and else with the next pull of a whole window, which nothing replaces;
- they show what they cached up to a day ago: the option `cache_hours` makes every pull reach so much further back;
- they tell of deletions by rows with IsDeleted, in a window too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog

from connectors.access import Access
from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Reference, Source
from connectors.encoding import days
from connectors.http import LetIn, Unreadable
from connectors.odata import shape
from connectors.odata.client import NAME, ODataClient, quoted
from connectors.odata.roster import ENTITIES, roster
from connectors.pupils import UpnKey
from connectors.records import read_page, strange_codes, within
from connectors.roster import TOPIC as ROSTER_TOPIC
from rollcall import metrics
from rollcall.domain.clock import london_date
from rollcall.errors import ConfigError, SourceError

__all__ = ["ODataConnector"]

log = structlog.get_logger()

_SESSIONS = "AttendanceSessions"
#: Rows that `check` looks at.
_SAMPLE = 50


class ODataConnector(Connector):
    """Reads the schools that one Access lets it read, through one client. A school's id is its SchoolURN there.

    Options: `auth`, bearer (default) or basic (the secret is then user:password); `cache_hours`, how old what the
    service shows may be, 0 by default. today: as for the other makes, the day whose academic year gives the ages.
    PupilIds mean something in this service only: their scheme is the connector's name.
    """

    make = NAME

    def __init__(self, access: Access, client: ODataClient, upn_key: UpnKey, *, today: date | None = None) -> None:
        super().__init__(access.name)
        self._access = access
        self._client = client
        self._upn_key = upn_key
        self._today = today
        self._cached = timedelta(hours=_cache_hours(access))
        self._lets_in = _way_in(access)

    async def discover(self) -> Sequence[Source]:
        """The schools we were told of: the profile has no list of schools."""
        return self._access.sources

    async def check(self, source: Source) -> Sequence[str]:
        """Whether we are let in, the school is there, and its codes are in the scheme it is said to use."""
        try:
            pupils = await self._first_rows(source, "Pupils", ENTITIES["Pupils"], must_be=False)
            marks = await self._first_rows(source, _SESSIONS, shape.FIELDS, must_be=True)
        except (SourceError, ConfigError) as error:
            return [str(error)]
        if not pupils and not marks:
            return [f"{self.name} shows no pupil and no mark of SchoolURN {source.id}: is that the school's id there?"]
        return strange_codes(self.name, source, {str(row.get("Mark") or "") for row in marks})

    async def pull(self, pull: Pull) -> AsyncIterator[Page | BadPage]:
        """Session marks; those that are gone are among them, flagged."""
        async for page in self._rows(pull.source, _SESSIONS, shape.FIELDS, self._conditions(pull), must_be=True):
            if isinstance(page, Unreadable):
                yield BadPage(_SESSIONS, page.number, page.reason, page.body)
            elif page.records:
                yield Page(_SESSIONS, page.number, page.records)

    def to_message(self, pull: Pull, page: Page) -> MarksPage:
        """Marks and deletions of the rows that the pull asked for; other rows are none of its business."""
        since = self._since(pull)

        def read(row: Mapping[str, Any]) -> dict[str, Any] | str | None:
            if not shape.of_school(row, pull.source.id):
                return None
            changed = shape.modified(row)
            if since is not None and changed is not None and changed < since:
                return None
            if not shape.is_deleted(row):
                return shape.mark(row, self.name, self._upn_key)
            gone = pull.window is None or within(pull, days(shape.day_said(row, "SessionDate")))
            return shape.record_id(row) if gone else None

        return read_page(pull, page.records, read, shape.KEPT_FIELDS)

    async def reference(self, pull: Pull) -> AsyncIterator[Reference]:
        """The roster, from all rows of its three entities; nothing when any page of them is unreadable."""
        rows: dict[str, list[Mapping[str, Any]]] = {entity: [] for entity in ENTITIES}
        for entity, fields in ENTITIES.items():
            async for page in self._rows(pull.source, entity, fields, self._of_school(pull.source)):
                if isinstance(page, Unreadable) or not all(_has_id(row) for row in page.records):
                    metrics.CONNECTOR_PAGES.labels(connector=self.name, outcome="unparsable").inc()
                    log.error("roster_unreadable", school=pull.source.id, resource=entity, page=page.number)
                    return
                rows[entity] += [row for row in page.records if self._is_ours(pull.source, row)]
        if rows["Pupils"]:
            today = self._today or london_date(pull.taken_at)
            record = roster(pull, self.name, rows, self._upn_key, today)
            yield Reference(ROSTER_TOPIC, str(pull.source.urn), record)
        else:
            # A school without pupils is a source that has not filled up, not a school that has emptied.
            log.warning("roster_empty", school=pull.source.id, urn=pull.source.urn)

    def _rows(
        self, source: Source, entity: str, fields: Sequence[str], conditions: Sequence[str], **more: Any
    ) -> AsyncIterator[Any]:
        let_in = self._lets_in(self._access.secret_of(source.id))
        return self._client.rows(entity, let_in, fields, conditions, **more)

    async def _first_rows(
        self, source: Source, entity: str, fields: Sequence[str], *, must_be: bool
    ) -> list[Mapping[str, Any]]:
        """Rows of the school on the first page of an entity."""
        async for page in self._rows(source, entity, fields, self._of_school(source), first=_SAMPLE, must_be=must_be):
            if isinstance(page, Unreadable):
                raise SourceError(f"{self.name}: {entity} cannot be read: {page.reason}")
            return [row for row in page.records if self._is_ours(source, row)]
        return []

    def _conditions(self, pull: Pull) -> list[str]:
        conditions = self._of_school(pull.source)
        since = self._since(pull)
        if pull.window is not None:
            first, last = pull.window.first_day, pull.window.last_day
            conditions += [f"SessionDate ge {first.isoformat()}", f"SessionDate le {last.isoformat()}"]
        elif since is not None:
            conditions.append(f"Modified ge {since:%Y-%m-%dT%H:%M:%SZ}")
        return conditions

    def _since(self, pull: Pull) -> datetime | None:
        """From when on rows are asked for, to the second: what the service cached may be older than it should be."""
        if pull.window is not None or pull.since is None:
            return None
        return (pull.since - self._cached).astimezone(UTC).replace(microsecond=0)

    @staticmethod
    def _of_school(source: Source) -> list[str]:
        return [f"SchoolURN eq {quoted(source.id)}"]

    @staticmethod
    def _is_ours(source: Source, row: Mapping[str, Any]) -> bool:
        return str(row.get("SchoolURN")) == source.id and not shape.is_deleted(row)


def _has_id(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("Id"), str | int) and bool(row["Id"])


def _cache_hours(access: Access) -> float:
    unknown = set(access.options) - {"auth", "cache_hours"}
    if unknown:
        raise ConfigError(f"{access.name}: {sorted(unknown)[0]} is no option of odata: there are auth and cache_hours")
    said = access.options.get("cache_hours", "0")
    try:
        hours = float(said)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= 24 * 14:
        raise ConfigError(f"{access.name}: cache_hours is {said!r}; a number of hours is wanted, a fortnight at most")
    return hours


def _way_in(access: Access) -> Any:
    ways = {"bearer": LetIn.bearer, "basic": LetIn.user}
    said = access.options.get("auth", "bearer")
    if said not in ways:
        raise ConfigError(f"{access.name}: auth is {said!r}; bearer or basic is wanted")
    return ways[said]

"""The MIS of pulled schools in the shape of Wonde's REST API, on loopback.

    GET /v1.0/schools/{id}                       facts of the school
    GET /v1.0/schools/{id}/students              with include=education_details,extended_details,groups,year
    GET /v1.0/schools/{id}/students-leaver, students-pre-admission
    GET /v1.0/schools/{id}/groups, periods, attendance-codes
    GET /v1.0/schools/{id}/attendance/session, attendance/lesson    updated_after, date_from, date_to (inclusive)
    GET /v1.0/schools/{id}/deletions             updated_after
    GET /v1.0/schools/{id}/attendance-summaries  what each pupil's session marks come to; of some pupils twice

Bearer token; `per_page` and `cursor`; answers {"data": [...], "meta": {"pagination": {"next", "more"}}}, follow `next`
until it is null. Timestamps are objects {"date", "timezone_type", "timezone"}; a session's date is midnight in London.
Dirt: a page may begin with the last record of the page before; a request may meet 429 (with Retry-After) or 500.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from connectors.estate.messages import UNKNOWN
from connectors.estate.server import Answer, EstateServer
from connectors.estate.wonde_shape import WondeShape, stamp

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import PulledRecord

__all__ = ["WondeServer"]

_PATH = re.compile(r"^/v1\.0/schools(?:/(?P<school>[A-Za-z0-9]+)(?:/(?P<resource>[a-z\-]+(?:/[a-z]+)?))?)?/?$")
_MAX_PER_PAGE = 1_000


class WondeServer(EstateServer):
    """Wonde's shape over the estate's schools that are pulled through Wonde."""

    make = "wonde"

    def __init__(self, estate: Estate, host: str, port: int, token: str) -> None:
        self.shape = WondeShape(estate)
        super().__init__(estate, host, port, token)

    @property
    def base_url(self) -> str:
        """http://host:port/v1.0."""
        return f"{self.origin}/v1.0"

    def config(self, token: str) -> dict[str, Any]:
        """The Wonde connector's configuration: the address, where the token is (`env:NAME` or `file:path`), and each
        school's Wonde id, URN and vocabulary of codes."""
        return {
            "base_url": self.base_url,
            "token": token,
            "schools": [
                {"id": school.source_id, "urn": school.urn, "code_scheme": school.pulled_scheme}
                for school in self.schools.values()
            ],
        }

    def nonsense(self, what: str) -> Answer:
        """Wonde's validation error."""
        return 422, {}, {"error": "validation", "error_description": what}

    def answer(self, path: str, query: dict[str, str], authorization: str) -> Answer:
        """What a request is answered. `path` begins with /v1.0."""
        if authorization != f"Bearer {self.token}":
            return 401, {}, {"error": "unauthorised", "error_description": "the token is not known"}
        match = _PATH.match(path)
        if match is None:
            return 404, {}, {"error": "not_found"}
        trouble = self.trouble(match["school"])
        if trouble is not None:
            return trouble
        if match["school"] is None:
            return self._page([self.shape.school(one) for one in self.schools.values()], path, query)
        school = self.schools.get(match["school"])
        if school is None:
            return 404, {}, {"error": "not_found", "error_description": "no such school"}
        resource = match["resource"]
        if resource is None:
            return 200, {}, {"data": self.shape.school(school)}
        if resource in ("attendance/session", "attendance/lesson"):
            return self._records(school.urn, resource, path, query)
        if resource == "deletions":
            return self._deletions(school.urn, path, query)
        if resource == "attendance-summaries":
            return self._summaries(school.urn, path, query)
        listing = self.shape.listing(school, resource)
        return (404, {}, {"error": "not_found"}) if listing is None else self._page(listing, path, query)

    def _records(self, urn: int, resource: str, path: str, query: dict[str, str]) -> Answer:
        after = _instant(query.get("updated_after"))
        first, last = _day(query.get("date_from")), _day(query.get("date_to"))
        lesson = resource == "attendance/lesson"
        with self.estate.lock:
            held = [
                record
                for record in self.estate.records.get(urn, {}).values()
                if (record.period is not None) == lesson
                and record.deleted_at is None
                and record.updated_at is not None
                and (after is None or record.updated_at >= after)
                and (first is None or record.session_date >= first)
                and (last is None or record.session_date <= last)
            ]

            def show(record: PulledRecord) -> Any:
                record.served.append(record.code)
                return self.shape.record(urn, record)

            return self._page(held, path, query, show, rank=lambda record: record.sequence)

    def _deletions(self, urn: int, path: str, query: dict[str, str]) -> Answer:
        after = _instant(query.get("updated_after"))
        with self.estate.lock:
            gone = [
                record
                for record in self.estate.records.get(urn, {}).values()
                if record.deleted_at is not None and (after is None or record.deleted_at >= after)
            ]

            def show(record: PulledRecord) -> Any:
                record.served.append(None)
                kind = "attendance/session" if record.period is None else "attendance/lesson"
                return {"id": record.record_id, "type": kind, "deleted_at": stamp(record.deleted_at)}

            return self._page(gone, path, query, show, rank=lambda record: record.sequence)

    def _summaries(self, urn: int, path: str, query: dict[str, str]) -> Answer:
        """By pupil. Of two records of a session the later counts; of every 50th pupil an older summary comes first."""
        with self.estate.lock:
            marks: dict[str, dict[tuple[date, str], PulledRecord]] = {}
            for record in sorted(self.estate.records.get(urn, {}).values(), key=lambda record: record.sequence):
                if (
                    record.period is None
                    and record.deleted_at is None
                    and record.updated_at
                    and record.pupil != UNKNOWN
                ):
                    marks.setdefault(record.pupil_ref, {})[record.session_date, record.session] = record
            found = []
            for number, (pupil_ref, of_pupil) in enumerate(sorted(marks.items())):
                held = sorted(of_pupil.values(), key=lambda record: (record.updated_at, record.sequence))
                found += [self.shape.summary(pupil_ref, held[:-1])] if number % 50 == 0 and len(held) > 1 else []
                found.append(self.shape.summary(pupil_ref, held))
        return self._page(found, path, query)

    def _page(
        self,
        items: list[Any],
        path: str,
        query: dict[str, str],
        show: Callable[[Any], Any] = lambda item: item,
        rank: Callable[[Any], int] | None = None,
    ) -> Answer:
        """One page. The cursor names the last item given, in order of creation: deletions skip nothing."""
        size = max(1, min(int(query.get("per_page", "100")), _MAX_PER_PAGE))
        after = int(query["cursor"]) if "cursor" in query else None
        page, last = self.cut(items, after, size, rank)
        following = None if last is None else f"{self.origin}{path}?{urlencode({**query, 'cursor': last})}"
        pagination = {"next": following, "more": following is not None}
        return 200, {}, {"data": [show(item) for item in page], "meta": {"pagination": pagination}}


def _instant(text: str | None) -> datetime | None:
    """UTC instant of `updated_after`, with or without an offset."""
    if not text:
        return None
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None

"""The MIS of pulled schools in the shape of Wonde's REST API, on loopback.

    GET /v1.0/schools/{id}                       facts of the school
    GET /v1.0/schools/{id}/students              with include=education_details,extended_details,groups,year
    GET /v1.0/schools/{id}/students-leaver, students-pre-admission
    GET /v1.0/schools/{id}/groups, periods, attendance-codes
    GET /v1.0/schools/{id}/attendance/session, attendance/lesson    updated_after, from_date, to_date (inclusive)
    GET /v1.0/schools/{id}/deletions             updated_after

Bearer token; `per_page` and `cursor`; answers {"data": [...], "meta": {"pagination": {"next", "more"}}}, follow `next`
until it is null. Timestamps are objects {"date", "timezone_type", "timezone"}; a session's date is midnight in London.
Dirt: a page may begin with the last record of the page before; a request may meet 429 (with Retry-After) or 500.

What was served is remembered per record: the expected outcome of a mark counts only if somebody could see it. Names
and comments here are placeholders whose only use is to prove that they go no further.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson

from connectors.estate.wonde_shape import WondeShape, stamp

if TYPE_CHECKING:
    from connectors.estate.estate import Estate
    from connectors.estate.messages import WondeRecord

__all__ = ["WondeServer"]

_PATH = re.compile(r"^/v1\.0/schools(?:/(?P<school>[A-Za-z0-9]+)(?:/(?P<resource>[a-z\-]+(?:/[a-z]+)?))?)?/?$")
_MAX_PER_PAGE = 1_000


class WondeServer:
    """The server of one estate, in threads of its own. `requests` counts answers by
    status; `forbidden` and `broken` hold Wonde school ids that are answered with 403, or 500, for tests of faults."""

    def __init__(self, estate: Estate, host: str, port: int, token: str) -> None:
        self.estate, self.token = estate, token
        self.shape = WondeShape(estate)
        self.requests: dict[int, int] = {}
        self.forbidden: set[str] = set()
        self.broken: set[str] = set()
        self._random = random.Random(f"{estate.seed}/server")
        self._schools = {school.wonde_id: school for school in estate.schools if school.pulled}
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="wonde", daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        """What a client is given: http://host:port/v1.0."""
        return f"{self._origin}/v1.0"

    @property
    def _origin(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def config(self, token: str) -> dict[str, Any]:
        """The Wonde connector's configuration: the address, where the token is (`env:NAME` or `file:path`), and each
        school's Wonde id, URN and vocabulary of codes."""
        return {
            "base_url": self.base_url,
            "token": token,
            "schools": [
                {"id": school.wonde_id, "urn": school.urn, "code_scheme": school.wonde_scheme}
                for school in self._schools.values()
            ],
        }

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def answer(self, path: str, query: dict[str, str], authorization: str) -> tuple[int, dict[str, str], Any]:
        """Status, extra headers and document for a request. `path` begins with /v1.0."""
        if authorization != f"Bearer {self.token}":
            return 401, {}, {"error": "unauthorised", "error_description": "the token is not known"}
        match = _PATH.match(path)
        if match is None:
            return 404, {}, {"error": "not_found"}
        trouble = self._trouble(match["school"])
        if trouble is not None:
            return trouble
        if match["school"] is None:
            return self._page([self.shape.school(one) for one in self._schools.values()], path, query)
        school = self._schools.get(match["school"])
        if school is None:
            return 404, {}, {"error": "not_found", "error_description": "no such school"}
        resource = match["resource"]
        if resource is None:
            return 200, {}, {"data": self.shape.school(school)}
        if resource in ("attendance/session", "attendance/lesson"):
            return self._records(school.urn, resource, path, query)
        if resource == "deletions":
            return self._deletions(school.urn, path, query)
        listing = self.shape.listing(school, resource)
        return (404, {}, {"error": "not_found"}) if listing is None else self._page(listing, path, query)

    def _trouble(self, school: str | None) -> tuple[int, dict[str, str], Any] | None:
        if school in self.forbidden:
            return 403, {}, {"error": "access_revoked", "error_description": "the school has revoked access"}
        if school in self.broken:
            return 500, {}, {"error": "server_error"}
        with self.estate.lock:
            draw = self._random.random()
        rate = self.estate.dirt.server_errors
        if draw >= rate:
            return None
        if draw < rate / 2:
            return 429, {"Retry-After": "1"}, {"error": "too_many_requests"}
        return 500, {}, {"error": "server_error"}

    def _records(self, urn: int, resource: str, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        after = _instant(query.get("updated_after"))
        first, last = _day(query.get("from_date")), _day(query.get("to_date"))
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

            def show(record: WondeRecord) -> Any:
                record.served.append(record.code)
                return self.shape.record(urn, record)

            return self._page(held, path, query, show, key=lambda record: record.sequence)

    def _deletions(self, urn: int, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        after = _instant(query.get("updated_after"))
        with self.estate.lock:
            gone = [
                record
                for record in self.estate.records.get(urn, {}).values()
                if record.deleted_at is not None and (after is None or record.deleted_at >= after)
            ]

            def show(record: WondeRecord) -> Any:
                record.served.append(None)
                kind = "attendance/session" if record.period is None else "attendance/lesson"
                return {"id": record.record_id, "type": kind, "deleted_at": stamp(record.deleted_at)}

            return self._page(gone, path, query, show, key=lambda record: record.sequence)

    def _page(
        self,
        items: list[Any],
        path: str,
        query: dict[str, str],
        show: Callable[[Any], Any] = lambda item: item,
        key: Callable[[Any], int] | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        """One page. The cursor names the last item given (by `key`: creation order, so that deletions skip nothing)."""
        size = max(1, min(int(query.get("per_page", "100")), _MAX_PER_PAGE))
        ranks = range(len(items)) if key is None else [key(item) for item in items]
        cursor = int(query.get("cursor", "-1"))
        at = next((place for place, rank in enumerate(ranks) if rank > cursor), len(items))
        page = items[at : at + size]
        more = at + size < len(items)
        following = f"{self._origin}{path}?{urlencode({**query, 'cursor': ranks[at + size - 1]})}" if more else None
        if cursor >= 0 and at > 0 and self._random.random() < self.estate.dirt.page_repeats:
            page = [items[at - 1], *page]
        return (
            200,
            {},
            {"data": [show(item) for item in page], "meta": {"pagination": {"next": following, "more": more}}},
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(address.query).items()}
                try:
                    status, headers, document = server.answer(
                        address.path, query, self.headers.get("Authorization", "")
                    )
                except ValueError as error:
                    status, headers, document = 422, {}, {"error": "validation", "error_description": str(error)}
                with server.estate.lock:
                    server.requests[status] = server.requests.get(status, 0) + 1
                body = orjson.dumps(document)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are counted, not printed."""

        return Handler


def _instant(text: str | None) -> datetime | None:
    """UTC instant of `updated_after`, with or without an offset."""
    if not text:
        return None
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None

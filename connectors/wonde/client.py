"""Wonde's REST API: one page after another, waited for when the server is busy, stopped when it refuses.

Retried, with jitter and never before `Retry-After`: 429, 5xx, a network that fails, a body that is no JSON (it may have
been cut off). Not retried: 401 and 403 (`SourceStopped`), any other 4xx (`SourceError`); 404 of a resource means that
the school has none of it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import structlog
import tenacity

from connectors.contract import SourceStopped
from rollcall import metrics
from rollcall.errors import SourceError

__all__ = ["Patience", "RawPage", "Unreadable", "WondeClient"]

log = structlog.get_logger()

PER_PAGE = 500
#: A server that asks for longer than this is asked again after this.
_LONGEST_WAIT_SECONDS = 300.0
#: So many pages in a row may be unreadable before the rest of a resource is given up until the next pull.
_UNREADABLE_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """How trouble is waited out: first wait and longest wait of our own in seconds, and how many tries in all."""

    first_seconds: float = 0.5
    longest_seconds: float = 60.0
    tries: int = 8
    #: A body that is no JSON is asked for so often: a cut connection mends, a broken export does not.
    tries_for_json: int = 3


@dataclass(frozen=True, slots=True)
class RawPage:
    """The `data` of one page, in the server's order; pages of a resource count from 0."""

    number: int
    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A page that stayed unreadable, with its bytes."""

    number: int
    reason: str
    body: bytes


class _Trouble(Exception):  # noqa: N818 - caught here, never seen outside
    """Try again. cause: the metric's label. wait_seconds: what the server asked for."""

    def __init__(self, cause: str, what: str, wait_seconds: float = 0.0, body: bytes = b"") -> None:
        super().__init__(what)
        self.cause = cause
        self.wait_seconds = wait_seconds
        self.body = body


class WondeClient:
    """Reads pages for one connector; shared by all its schools. Close it with `aclose`.

    base_url: e.g. https://api.wonde.com/v1.0. a_second: at most so many requests a second, over all schools.
    """

    def __init__(
        self,
        base_url: str,
        *,
        patience: Patience | None = None,
        a_second: float = 20.0,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._origin = _origin(httpx.URL(self._base))
        self._patience = patience or Patience()
        self._http = httpx.AsyncClient(timeout=timeout_seconds, headers={"Accept": "application/json"})
        self._spacing = 1.0 / a_second
        self._next_at = 0.0

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def one(self, path: str, token: str) -> Mapping[str, Any]:
        """The `data` of a single object, e.g. of `schools/A1930499544`. Raises SourceStopped, SourceError."""
        body = await self._get_json(f"{self._base}/{path}/", token)
        if isinstance(body, Unreadable) or body is None or not isinstance(body.get("data"), dict):
            raise SourceError(f"Wonde's answer about {path} cannot be read")
        found: dict[str, Any] = body["data"]
        return found

    async def pages(self, path: str, token: str, query: Mapping[str, str]) -> AsyncIterator[RawPage | Unreadable]:
        """Every page of a resource, e.g. `schools/A1930499544/students`, by `meta.pagination.next` to its end.

        A resource that the school does not have (404) has no pages. Behind an unreadable page it goes on by number
        where the link has a `page`; with a cursor nobody knows what follows, and it ends there.
        Raises SourceStopped, SourceError.
        """
        url: str | None = str(httpx.URL(f"{self._base}/{path}/", params={**query, "per_page": str(PER_PAGE)}))
        number = in_a_row = 0
        while url is not None:
            body = await self._get_json(url, token)
            if body is None:
                return
            if isinstance(body, Unreadable):
                in_a_row += 1
                yield Unreadable(number, body.reason, body.body)
                url = _page_after(url) if in_a_row < _UNREADABLE_IN_A_ROW else None
            else:
                in_a_row = 0
                yield RawPage(number, body["data"])
                url = self._next(body)
            number += 1

    def _next(self, body: Mapping[str, Any]) -> str | None:
        meta = body.get("meta")
        pagination = meta.get("pagination") if isinstance(meta, dict) else None
        link = pagination.get("next") if isinstance(pagination, dict) else None
        if not link:
            return None
        try:
            there = _origin(httpx.URL(str(link)))
        except httpx.InvalidURL:
            raise SourceError("Wonde's link to the next page is no address") from None
        if there != self._origin:
            raise SourceError("Wonde's next page is on another host than the first: the token is not sent there")
        return str(link)

    async def _get_json(self, url: str, token: str) -> dict[str, Any] | Unreadable | None:
        """A page's JSON; None when there is no such resource; Unreadable when it stays no JSON."""
        patience = self._patience

        def enough(state: tenacity.RetryCallState) -> bool:
            error = state.outcome.exception() if state.outcome else None
            no_json = isinstance(error, _Trouble) and error.cause == "no_json"
            return state.attempt_number >= (patience.tries_for_json if no_json else patience.tries)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            ours = min(patience.longest_seconds, patience.first_seconds * 2.0 ** (state.attempt_number - 1))
            asked = error.wait_seconds if isinstance(error, _Trouble) else 0.0
            # Jitter comes on top of what the server asked for: many schools must not come back at the same instant.
            return asked + random.uniform(0.5, 1.0) * ours

        def told(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, _Trouble) and error.cause != "no_json":
                metrics.CONNECTOR_RETRIES.labels(connector="wonde", cause=error.cause).inc()
                log.info("source_retry", cause=error.cause, attempt=state.attempt_number)

        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type(_Trouble),
                stop=enough,
                wait=wait,
                before_sleep=told,
                reraise=True,
            ):
                with attempt:
                    return await self._ask(url, token)
        except _Trouble as error:
            if error.cause == "no_json":
                return Unreadable(0, str(error), error.body)
            raise SourceError(f"Wonde {error}, {patience.tries} times in a row: tried again at the next pull") from None
        raise AssertionError("unreachable: the loop returns or raises")

    async def _ask(self, url: str, token: str) -> dict[str, Any] | None:
        await self._my_turn()
        try:
            answer = await self._http.get(url, headers={"Authorization": f"Bearer {token}"})
        except httpx.RequestError as error:
            raise _Trouble("network", f"does not answer ({type(error).__name__})") from None
        status = answer.status_code
        if status in (401, 403):
            raise SourceStopped(f"Wonde refuses us ({status}): check the token, and that the school still permits it")
        if status == 404:
            return None
        if status == 429:
            raise _Trouble("throttled", "is busy (429)", _retry_after(answer))
        if status >= 500:
            raise _Trouble("server_error", f"has trouble ({status})", _retry_after(answer))
        if status >= 300:
            raise SourceError(f"Wonde does not take our question ({status})")
        try:
            body = json.loads(answer.content)
        except ValueError:
            raise _Trouble("no_json", "the page is not JSON", body=answer.content) from None
        if not isinstance(body, dict) or not _is_data(body.get("data")):
            raise _Trouble("no_json", "the page has no `data`", body=answer.content)
        return body

    async def _my_turn(self) -> None:
        """Space the requests of all schools evenly."""
        now = time.monotonic()
        at = max(now, self._next_at)
        self._next_at = at + self._spacing
        if at > now:
            await asyncio.sleep(at - now)


def _is_data(data: Any) -> bool:
    return isinstance(data, dict) or (isinstance(data, list) and all(isinstance(one, dict) for one in data))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _page_after(url: str) -> str | None:
    read = httpx.URL(url)
    page = read.params.get("page", "")
    return str(read.copy_set_param("page", str(int(page) + 1))) if page.isdecimal() else None


def _retry_after(answer: httpx.Response) -> float:
    """Seconds until the server wants to be asked again; 0 when it does not say. Given in seconds or as a date."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return min(float(said), _LONGEST_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT_SECONDS)

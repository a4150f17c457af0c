"""HTTP as every make needs it: a question asked until it is answered, refused, or asked often enough.

Retried, with jitter and never before `Retry-After`: 429, 5xx, a network that fails, an answer that does not come or
breaks off, a body that is no JSON or not of the make's shape (it may have been cut off). Not retried: 401 and 403
(`SourceStopped`), any other status that is no success (`SourceError`); 404 means that the source has none of it.
What lets us in goes to the origin of the base URL, and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson
import structlog
import tenacity

from connectors.access import DEFAULT_REQUESTS_A_SECOND
from connectors.connections import Connections, NoAnswer
from connectors.contract import SourceStopped
from rollcall import metrics
from rollcall.errors import ConfigError, SourceError

__all__ = ["HttpClient", "LetIn", "Pace", "Paging", "Patience", "RawPage", "Unreadable"]

log = structlog.get_logger()

#: A server that asks for longer than this is asked again after this.
_LONGEST_WAIT_SECONDS = 300.0
#: So many pages in a row may be unreadable before the rest of a resource is given up until the next pull.
_UNREADABLE_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """How trouble is waited out: first wait and longest wait of our own in seconds, and how many tries in all.

    tries_for_json: a body that is no JSON is asked for so often: a cut connection mends, a broken export does not.
    answer_seconds: how long nothing may be heard within one answer; whole_answer_seconds: how long one may take.
    """

    first_seconds: float = 0.5
    longest_seconds: float = 60.0
    tries: int = 8
    tries_for_json: int = 3
    answer_seconds: float = 30.0
    whole_answer_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class LetIn:
    """What a request carries so that the source lets us in. Never logged, and not told by its repr."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    basic: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def bearer(cls, token: str) -> LetIn:
        """With a token: `Authorization: Bearer ...`."""
        return cls(headers={"Authorization": f"Bearer {token}"})

    @classmethod
    def user(cls, secret: str) -> LetIn:
        """With a user name and a password, "user:password" (HTTP Basic). Raises ConfigError when it is not that."""
        name, colon, password = secret.partition(":")
        if not (name and colon):
            raise ConfigError("the secret must be a user name and a password, with a colon between")
        return cls(basic=(name, password))

    def all_headers(self) -> Mapping[str, str]:
        """Its headers, HTTP Basic among them."""
        if self.basic is None:
            return self.headers
        return {**self.headers, "Authorization": "Basic " + base64.b64encode(":".join(self.basic).encode()).decode()}


@dataclass(frozen=True, slots=True)
class RawPage:
    """The records of one page, in the server's order; pages of a resource count from 0."""

    number: int
    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A page that stayed unreadable, with its bytes."""

    number: int
    reason: str
    body: bytes


class Paging(ABC):
    """How one make pages a resource. Pure functions of what was asked (an absolute URL) and what came (its JSON)."""

    @abstractmethod
    def flaw(self, body: Any) -> str:
        """Why this is no page of the make, in a few words that quote nothing of it; '' when it is one."""

    @abstractmethod
    def records(self, body: Any) -> Sequence[Mapping[str, Any]]:
        """The records of a page without flaw."""

    @abstractmethod
    def following(self, url: str, body: Any) -> Any:
        """The address of the next page, absolute or relative, as the server writes it; None after the last.

        It need not be looked at: a link that is none, or leads to another host, is refused by the client.
        """

    def behind(self, url: str) -> str | None:
        """The page after one that cannot be read, where the address alone tells it. By default nobody knows it."""
        return None


class _Trouble(Exception):  # noqa: N818 - caught here, never seen outside
    """Try again. cause: the metric's label. wait_seconds: what the server asked for."""

    def __init__(self, cause: str, what: str, wait_seconds: float = 0.0, body: bytes = b"") -> None:
        super().__init__(what)
        self.cause = cause
        self.wait_seconds = wait_seconds
        self.body = body


class Pace:
    """Spaces requests evenly, so many a second; one of it over every client of a connector whose schools have servers
    of their own."""

    def __init__(self, a_second: float) -> None:
        self._spacing = 1.0 / a_second
        self._next_at = 0.0

    async def my_turn(self) -> None:
        """Wait until the next request may go out."""
        now = time.monotonic()
        at = max(now, self._next_at)
        self._next_at = at + self._spacing
        if at > now:
            await asyncio.sleep(at - now)


class HttpClient:
    """Asks one server for JSON, for one connector; shared by all its schools there. Close it with `aclose`.

    make: what errors call the source ("Wonde"). name: the label of its metrics, the connector's name.
    base_url: the origin that alone is asked. a_second: at most so many requests a second, over all schools; a `pace`
    instead of it is shared with other clients.
    """

    def __init__(
        self,
        make: str,
        name: str,
        base_url: str,
        *,
        patience: Patience | None = None,
        a_second: float = DEFAULT_REQUESTS_A_SECOND,
        pace: Pace | None = None,
    ) -> None:
        self.make = make
        self.base_url = base_url.rstrip("/")
        self._name = name
        self._origin = _origin(httpx.URL(self.base_url))
        self._patience = patience or Patience()
        scheme, host, _ = self._origin
        silence, whole = self._patience.answer_seconds, self._patience.whole_answer_seconds
        self._connections = Connections(scheme, host, silence, whole)
        self._pace = pace or Pace(a_second)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connections.aclose()

    def address(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The absolute URL of a path below the base, with a query that holds nothing secret."""
        return str(httpx.URL(f"{self.base_url}/{path}", params=query or None))

    async def get(
        self, url: str, let_in: LetIn, flaw: Callable[[Any], str] = lambda _body: ""
    ) -> Any | Unreadable | None:
        """The JSON at an absolute URL; None when there is no such thing (404); Unreadable when it stays unreadable.

        flaw: says why the JSON is not what was asked for, '' when it is. Raises SourceStopped, SourceError.
        """
        self._stay_here(url)
        patience = self._patience

        def enough(state: tenacity.RetryCallState) -> bool:
            no_json = _trouble(state).cause == "no_json"
            return state.attempt_number >= (patience.tries_for_json if no_json else patience.tries)

        def wait(state: tenacity.RetryCallState) -> float:
            ours = min(patience.longest_seconds, patience.first_seconds * 2.0 ** (state.attempt_number - 1))
            # Jitter comes on top of what the server asked for: many schools must not come back at the same instant.
            return _trouble(state).wait_seconds + random.uniform(0.5, 1.0) * ours

        def told(state: tenacity.RetryCallState) -> None:
            cause = _trouble(state).cause
            if cause != "no_json":
                metrics.CONNECTOR_RETRIES.labels(connector=self._name, cause=cause).inc()
                log.info("source_retry", connector=self._name, cause=cause, attempt=state.attempt_number)

        try:
            async for attempt in tenacity.AsyncRetrying(
                retry=tenacity.retry_if_exception_type(_Trouble),
                stop=enough,
                wait=wait,
                before_sleep=told,
                reraise=True,
            ):
                with attempt:
                    return await self._ask(url, let_in, flaw)
        except _Trouble as error:
            if error.cause == "no_json":
                return Unreadable(0, str(error), error.body)
            raise SourceError(
                f"{self.make} {error}, {patience.tries} times in a row: tried again at the next pull"
            ) from None
        raise AssertionError("unreachable: the loop returns or raises")

    async def pages(
        self, url: str, let_in: LetIn, paging: Paging, *, must_be: str = ""
    ) -> AsyncIterator[RawPage | Unreadable]:
        """Every page from an absolute URL on, as the make pages, to its end.

        must_be: what the source must have, for the error; without it, 404 means that the source has none of it.
        Behind an unreadable page it goes on where `Paging.behind` knows what follows, and ends there where it does not.
        Raises SourceStopped, SourceError.
        """
        following: str | None = url
        been: set[str] = set()
        number = in_a_row = 0
        while following is not None:
            here, following = following, None
            if here in been:
                raise SourceError(f"{self.make}'s pages go round in a circle: page {number} was read before")
            been.add(here)
            body = await self.get(here, let_in, paging.flaw)
            if body is None:
                if must_be:
                    raise SourceError(f"{self.make} has no {must_be} (404): check the address and the school's id")
                return
            if isinstance(body, Unreadable):
                in_a_row += 1
                yield Unreadable(number, body.reason, body.body)
                following = paging.behind(here) if in_a_row < _UNREADABLE_IN_A_ROW else None
            else:
                in_a_row = 0
                yield RawPage(number, paging.records(body))
                link = paging.following(here, body)
                following = None if link is None else self._followed(here, link)
            number += 1

    def _followed(self, here: str, link: object) -> str:
        try:
            if isinstance(link, str):
                return str(httpx.URL(here).join(link))
        except httpx.InvalidURL:
            pass
        raise SourceError(f"{self.make}'s link to the next page is no address")

    def _stay_here(self, url: str) -> None:
        if not url.startswith(f"{self.base_url}/") and _origin(httpx.URL(url)) != self._origin:
            raise SourceError(
                f"{self.make}'s next page is on another host than the first: what lets us in is not sent there"
            )

    async def _ask(self, url: str, let_in: LetIn, flaw: Callable[[Any], str]) -> Any | None:
        await self._pace.my_turn()
        asked = str(httpx.URL(url).copy_merge_params(let_in.params)) if let_in.params else url
        try:
            status, retry_after, content = await self._connections.get(asked, let_in.all_headers())
        except NoAnswer as error:
            raise _Trouble("network", str(error)) from None
        if status in (401, 403):
            raise SourceStopped(
                f"{self.make} refuses us ({status}): check the token or password, and that the school still permits it"
            )
        if status == 404:
            return None
        if status == 429:
            raise _Trouble("throttled", "is busy (429)", _seconds(retry_after))
        if status >= 500:
            raise _Trouble("server_error", f"has trouble ({status})", _seconds(retry_after))
        if status >= 300:
            raise SourceError(f"{self.make} does not take our question ({status})")
        try:
            body = _json(content)
        except (ValueError, RecursionError):
            raise _Trouble("no_json", "the page is not JSON", body=content) from None
        found = flaw(body)
        if found:
            raise _Trouble("no_json", found, body=content)
        return body


def _trouble(state: tenacity.RetryCallState) -> _Trouble:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, _Trouble) else _Trouble("", "")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _json(content: bytes) -> Any:
    """The quick reader takes UTF-8 and numbers that fit; what it does not take may still be JSON. Raises ValueError,
    RecursionError."""
    try:
        return orjson.loads(content)
    except ValueError:
        return json.loads(content)


def _seconds(retry_after: str) -> float:
    """Seconds until the server wants to be asked again; 0 when it does not say. Given in seconds or as a date."""
    said = retry_after.strip()
    if said.isdecimal():
        return min(float(said), _LONGEST_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT_SECONDS)

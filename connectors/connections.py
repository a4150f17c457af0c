"""The connections of one client to one server: a question goes out, and its whole answer comes or does not.

aiohttp, because a cut of a snapshot is thousands of small questions (docs/performance.md). What an answer means, and
whether it is asked for again, is `connectors.http`.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
import httpx
import yarl

__all__ = ["Answer", "Connections", "NoAnswer"]

#: A connection that nobody uses is closed after this (s): many servers close theirs not much later.
_IDLE_SECONDS = 5.0


class NoAnswer(Exception):  # noqa: N818 - caught by `connectors.http`, never seen outside
    """The network fails, or the answer breaks off or takes too long; the message says which, and quotes nothing."""


class Answer(NamedTuple):
    """A whole answer. retry_after: that header as the server wrote it, '' without."""

    status: int
    retry_after: str
    content: bytes


class Connections:
    """Of one client. Close them with `aclose`.

    scheme, host: of the server. silence, whole: how long nothing may be heard within an answer, and how long one may
    take (s). No redirect is followed, and no cookie kept: one client asks for many schools, and what a server gives
    one to keep is no other's. A proxy is what HTTPS_PROXY and NO_PROXY say; a .netrc is not read.
    """

    def __init__(self, scheme: str, host: str, silence: float, whole: float) -> None:
        proxies = urllib.request.getproxies()
        self._proxy = None if urllib.request.proxy_bypass(host) else proxies.get(scheme) or proxies.get("all")
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=silence, sock_read=silence)
        self._whole = whole
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close them."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """The answer at an absolute URL, which is quoted already. Raises NoAnswer."""
        address = yarl.URL(url, encoded=True)
        try:
            async with (
                asyncio.timeout(self._whole),
                self._opened().get(address, headers=headers, allow_redirects=False, proxy=self._proxy) as answer,
            ):
                return Answer(answer.status, answer.headers.get("Retry-After", ""), await answer.read())
        except aiohttp.ClientError as error:
            raise NoAnswer(f"does not answer ({type(error).__name__})") from None
        except TimeoutError:
            raise NoAnswer("does not come to the end of its answer") from None

    def _opened(self) -> aiohttp.ClientSession:
        """The session, opened at the first question: it belongs to the loop in which that is asked."""
        if self._session is None:
            # Without a bound: who pulls bounds how many schools are asked at once, and silent ones would take the
            # others' room. Certificates are certifi's, or those that SSL_CERT_FILE names: slim images have none.
            ssl = httpx.create_ssl_context()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS, ssl=ssl),
                timeout=self._timeout,
                headers={"Accept": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

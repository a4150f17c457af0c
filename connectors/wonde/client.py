"""Wonde's REST API: `data` in every answer, `meta.pagination.next` after every page. All else is `connectors.http`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx

from connectors.access import DEFAULT_REQUESTS_A_SECOND
from connectors.http import HttpClient, LetIn, Paging, Patience, RawPage, Unreadable
from rollcall.errors import SourceError

__all__ = ["Patience", "RawPage", "Unreadable", "WondeClient"]

PER_PAGE = 500
_NO_DATA = "the page has no `data`"


class WondeClient:
    """Reads pages for one connector; shared by all its schools. Close it with `aclose`.

    base_url: e.g. https://api.wonde.com/v1.0. a_second: at most so many requests a second, over all schools.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str = "wonde",
        patience: Patience | None = None,
        a_second: float = DEFAULT_REQUESTS_A_SECOND,
    ) -> None:
        self._http = HttpClient("Wonde", name, base_url, patience=patience, a_second=a_second)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def one(self, path: str, token: str) -> Mapping[str, Any]:
        """The `data` of a single object, e.g. of `schools/A1930499544`. Raises SourceStopped, SourceError."""
        body = await self._http.get(self._http.address(f"{path}/"), LetIn.bearer(token), _flaw_of_one)
        if isinstance(body, Unreadable) or body is None:
            raise SourceError(f"Wonde's answer about {path} cannot be read")
        found: dict[str, Any] = body["data"]
        return found

    def pages(self, path: str, token: str, query: Mapping[str, str]) -> AsyncIterator[RawPage | Unreadable]:
        """Every page of a resource, e.g. `schools/A1930499544/students`, to its end.

        A resource that the school does not have (404) has no pages. Behind an unreadable page it goes on by number
        where the link has a `page`; with a cursor nobody knows what follows, and it ends there.
        Raises SourceStopped, SourceError.
        """
        first = self._http.address(f"{path}/", {**query, "per_page": str(PER_PAGE)})
        return self._http.pages(first, LetIn.bearer(token), _PAGING)


class _Paging(Paging):
    def flaw(self, body: Any) -> str:
        data = body.get("data") if isinstance(body, dict) else None
        return "" if isinstance(data, list) and all(isinstance(one, dict) for one in data) else _NO_DATA

    def records(self, body: Any) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = body["data"]
        return found

    def following(self, url: str, body: Any) -> Any:
        meta = body.get("meta")
        pagination = meta.get("pagination") if isinstance(meta, dict) else None
        return (pagination.get("next") or None) if isinstance(pagination, dict) else None

    def behind(self, url: str) -> str | None:
        read = httpx.URL(url)
        page = read.params.get("page", "")
        return str(read.copy_set_param("page", str(int(page) + 1))) if page.isdecimal() else None


_PAGING = _Paging()


def _flaw_of_one(body: Any) -> str:
    return "" if isinstance(body, dict) and isinstance(body.get("data"), dict) else _NO_DATA

"""Bromcom's Partner API: `/v2/{Entity}?schoolId=...&entityFilter=...{page:n}`. All else is `connectors.http`.

An answer is {"success": true, "data": [...]} and says of no next page: pages are asked for until one is empty. Names of
fields are written now `studentID`, now `studentId`: they are read without their case.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx

from connectors.access import DEFAULT_REQUESTS_A_SECOND
from connectors.contract import Source
from connectors.http import HttpClient, LetIn, Paging, Patience, RawPage, Unreadable
from rollcall.errors import ConfigError, SourceError

__all__ = ["NAME", "BromcomClient", "Patience", "RawPage", "Unreadable", "let_in"]

NAME = "bromcom"
#: The version of the API that this connector reads; a base URL may leave it out.
_VERSION = "/v2"
_PAGE = re.compile(r"\{page:(\d+)\}$")


def let_in(secret: str, place: str = "headers") -> LetIn:
    """What a request carries, from "applicationId:applicationSecret". place: "headers", or "query" for servers that
    only take it there, where it may stand in the logs of whatever is between.

    Raises ConfigError, never telling the secret.
    """
    application, _, key = secret.partition(":")
    if not application or not key:
        raise ConfigError("a secret for Bromcom is applicationId:applicationSecret, with the colon between")
    if place == "headers":
        return LetIn(headers={"ApplicationId": application, "ApplicationSecret": key})
    if place == "query":
        return LetIn(params={"applicationId": application, "applicationSecret": key})
    raise ConfigError("Bromcom's secret goes in 'headers' or in the 'query'")


class BromcomClient:
    """Reads entities for one connector; shared by all its schools. Close it with `aclose`.

    base_url: e.g. https://api.bromcomcloud.com. a_second: at most so many requests a second, over all schools.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str = NAME,
        patience: Patience | None = None,
        a_second: float = DEFAULT_REQUESTS_A_SECOND,
    ) -> None:
        base_url = base_url.rstrip("/")
        if not base_url.endswith(_VERSION):
            base_url += _VERSION
        self._http = HttpClient("Bromcom", name, base_url, patience=patience, a_second=a_second)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def shares(self, entity: str, source: Source, entity_filter: str, let_in: LetIn) -> str:
        """Why an entity of a school cannot be read; '' when it can. Raises SourceStopped, SourceError."""
        body = await self._http.get(self._address(entity, source, entity_filter), let_in, _PAGING.flaw)
        if body is None:
            return f"Bromcom shares no {entity} of this school (404): ask the school to permit it"
        return f"Bromcom's {entity} cannot be read: {body.reason}" if isinstance(body, Unreadable) else ""

    async def few(self, entity: str, source: Source, entity_filter: str, let_in: LetIn) -> Sequence[Mapping[str, Any]]:
        """The first page of an entity; nothing where it is not shared or cannot be read.

        Raises SourceStopped, SourceError.
        """
        body = await self._http.get(self._address(entity, source, entity_filter), let_in, _PAGING.flaw)
        return [] if body is None or isinstance(body, Unreadable) else _PAGING.records(body)

    async def pages(
        self, entity: str, source: Source, entity_filter: str, let_in: LetIn, *, optional: bool = False
    ) -> AsyncIterator[RawPage | Unreadable]:
        """Every page of an entity, to the first that is empty. optional: a school may have none of it.

        Raises SourceStopped; SourceError, also when the entity is not there or a page is the one before once more: a
        server that does not turn pages would never end.
        """
        before: Sequence[Mapping[str, Any]] = ()
        first = self._address(entity, source, entity_filter)
        came = False
        async for page in self._http.pages(first, let_in, _PAGING):
            came = True
            if isinstance(page, RawPage):
                if page.records and page.records == before:
                    raise SourceError(f"Bromcom gives the same page of {entity} again and again")
                before = page.records
            yield page
        if not came and not optional:
            raise SourceError(f"Bromcom shares no {entity} of school {source.id} (404): ask the school to permit it")

    def _address(self, entity: str, source: Source, entity_filter: str) -> str:
        return self._http.address(entity, {"schoolId": source.id, "entityFilter": f"{entity_filter}{{page:0}}"})


class _Paging(Paging):
    def flaw(self, body: Any) -> str:
        data = body.get("data") if isinstance(body, dict) else None
        if isinstance(body, dict) and body.get("success") is False:
            return "Bromcom says that it had no success"
        return "" if isinstance(data, list) and all(isinstance(one, dict) for one in data) else "the page has no `data`"

    def records(self, body: Any) -> Sequence[Mapping[str, Any]]:
        return [{str(name).lower(): value for name, value in record.items()} for record in body["data"]]

    def following(self, url: str, body: Any) -> Any:
        return self.behind(url) if body["data"] else None

    def behind(self, url: str) -> str | None:
        read = httpx.URL(url)
        entity_filter = read.params["entityFilter"]
        turned = _PAGE.sub(lambda page: f"{{page:{int(page[1]) + 1}}}", entity_filter)
        return str(read.copy_set_param("entityFilter", turned))


_PAGING = _Paging()

"""An OData service: `value` in every answer, `@odata.nextLink` after every page. All else is `connectors.http`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from connectors.access import DEFAULT_REQUESTS_A_SECOND
from connectors.http import HttpClient, LetIn, Paging, Patience, RawPage, Unreadable

__all__ = ["NAME", "ODataClient", "quoted"]

#: What the make is called, and its connector where a trust has one of it.
NAME = "odata"
#: Rows of a page that we ask for; a server decides for itself.
_PAGE_SIZE = 500


class ODataClient:
    """Reads entities for one connector; shared by all its schools. Close it with `aclose`.

    base_url: the service's root, e.g. https://mis.example/odata. a_second: requests a second at most, over all schools.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str = NAME,
        patience: Patience | None = None,
        a_second: float = DEFAULT_REQUESTS_A_SECOND,
    ) -> None:
        self._http = HttpClient("The OData service", name, base_url, patience=patience, a_second=a_second)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def rows(
        self,
        entity: str,
        let_in: LetIn,
        fields: Sequence[str],
        conditions: Sequence[str],
        *,
        first: int | None = None,
        must_be: bool = False,
    ) -> AsyncIterator[RawPage | Unreadable]:
        """Every page of an entity, ordered by Id, by the server's own paging: a `$skip` of ours misses rows that move.

        conditions: of `$filter`, all of which must hold; the server may ignore them. first: so many rows at most.
        must_be: whether the service must have the entity; else, without it (404), it has no rows.
        What follows an unreadable page nobody knows, and reading ends there. Raises SourceStopped, SourceError.
        """
        query = {"$select": ",".join(fields), "$filter": " and ".join(conditions), "$orderby": "Id"}
        if first is not None:
            query["$top"] = str(first)
        asked = LetIn({**let_in.headers, "Prefer": f"odata.maxpagesize={_PAGE_SIZE}"}, let_in.params, let_in.basic)
        return self._http.pages(self._http.address(entity, query), asked, _PAGING, must_be=entity if must_be else "")


def quoted(text: str) -> str:
    """A text as a literal of `$filter`."""
    return "'" + text.replace("'", "''") + "'"


class _Paging(Paging):
    def flaw(self, body: Any) -> str:
        rows = body.get("value") if isinstance(body, Mapping) else None
        return (
            "" if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else "the page has no `value`"
        )

    def records(self, body: Any) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = body["value"]
        return found

    def following(self, url: str, body: Any) -> Any:
        return body.get("@odata.nextLink") or None


_PAGING = _Paging()

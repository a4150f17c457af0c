"""Arbor's REST API: lists of links, objects one by one, a log of changes by revision. All else is `connectors.http`.

What was checked against Arbor's own clients (sis-sdk-php, sis-sdk-.net) and its developers' pages, and what is assumed,
is in docs/connectors.md. In short: a list is `{"students": [{"entityType", "href"}, ...]}`, an object
`{"student": {...}}` at its href, a change log `{"changes": [{"changedObject", "changeType", "fromRevision",
"toRevision"}, ...]}`; `response.code` in a body says more than the status of HTTP.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from connectors.access import DEFAULT_REQUESTS_A_SECOND
from connectors.contract import SourceStopped
from connectors.http import HttpClient, LetIn, Pace, Paging, Patience, Unreadable
from rollcall.errors import ConfigError, SourceError

__all__ = ["NAME", "ArborClient", "ArborSchool", "Change", "Changes", "Found", "Listed", "NotShown", "id_of", "path_of"]

#: What the make is called, and its connector where a trust has one of it.
NAME = "arbor"
#: Links of a list that we ask for at once: so many objects are read before a page of marks goes on.
_PAGE_SIZE = 100
#: Where the id of a school stands in a base URL whose host is the school's own.
_HOST_OF_SCHOOL = "{id}"
#: So often a list is read again until it has skipped nothing.
_READINGS = 5
_API = "/rest-v2"
_HOST = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,80}[A-Za-z0-9])?$")
_HREF = re.compile(r"^/rest-v2/(?P<resource>[a-z0-9_-]+)/(?P<id>[A-Za-z0-9_.-]{1,64})$")
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])([A-Z])")


class NotShown(SourceError):  # noqa: N818 - a state of the source
    """A kind of object that a school does not show us: it has no list of them (404), or answers with nothing at all, as
    Arbor is said to answer an application that may not read them."""


class Found(NamedTuple):
    """An object, and its id."""

    id: str
    object: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list: the ids of its objects, in the server's order."""

    number: int
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Change:
    """The last that the log says of an object."""

    id: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What the log says after a revision, each object once, in the order of their last changes. last: go on from it."""

    changed: Sequence[Change]
    last: int


class ArborClient:
    """Reads for one connector; shared by all its schools, whose hosts share its pace. Close it with `aclose`.

    base_url: `https://{id}.uk.arbor.sc`, where `{id}` becomes the school's id, the name of its host; or one address for
    all (https://api.uk.arbor.sc), which is told the school's id as `x-mis-application-id`. `/rest-v2` may be left out.
    a_second: at most so many requests a second, over all schools. at_once: so many objects of one school.
    """

    def __init__(
        self,
        base_url: str,
        *,
        name: str = NAME,
        patience: Patience | None = None,
        a_second: float = DEFAULT_REQUESTS_A_SECOND,
        at_once: int = 4,
    ) -> None:
        self._base_url = base_url.rstrip("/").removesuffix(_API)
        self._name = name
        self._patience = patience
        self._pace = Pace(a_second)
        self._at_once = at_once
        self._hosts: dict[str, HttpClient] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        for http in self._hosts.values():
            await http.aclose()

    def school(self, school_id: str, secret: str) -> ArborSchool:
        """One school. secret: "user:password" of our application. Raises ConfigError when it or the id is not that."""
        basic = LetIn.user(secret).basic
        headers: dict[str, str] = {}
        base_url = self._base_url
        if _HOST_OF_SCHOOL in base_url:
            if not _HOST.match(school_id):
                raise ConfigError(f"{school_id!r} is no name of a school's host at Arbor")
            base_url = base_url.replace(_HOST_OF_SCHOOL, school_id)
        else:
            headers["x-mis-application-id"] = school_id
        http = self._hosts.get(base_url)
        if http is None:
            http = HttpClient("Arbor", self._name, base_url, patience=self._patience, pace=self._pace)
            self._hosts[base_url] = http
        return ArborSchool(http, LetIn(headers=headers, basic=basic), self._at_once)


class ArborSchool:
    """What one school shows us. A kind of object is named as Arbor's clients name it, e.g. AttendanceRollCallRecord."""

    def __init__(self, http: HttpClient, let_in: LetIn, at_once: int) -> None:
        self._http = http
        self._let_in = let_in
        self._gate = asyncio.Semaphore(at_once)

    async def listed(self, kind: str, filters: Mapping[str, str] | None = None) -> list[Listed | Unreadable]:
        """Every page of the list of a kind, none skipped. filters: "property.operator" -> value.

        Where a record goes away while pages are read by number, those behind it move up, and one is skipped. So a list
        of several pages is read again until all that one reading showed is there in the next: what was not taken away
        moved nobody. Raises SourceStopped, SourceError (also where the list never stands still), NotShown.
        """
        before = [page async for page in self.pages(kind, filters)]
        for _ in range(_READINGS):
            if len(before) < 2 or any(isinstance(page, Unreadable) for page in before):
                return before
            again = [page async for page in self.pages(kind, filters)]
            unreadable = [page for page in again if isinstance(page, Unreadable)]
            if unreadable:
                return before + unreadable
            seen, now = _ids(before), _ids(again)
            if seen.keys() <= now.keys():
                came = [one for one in now if one not in seen]
                return [*before, Listed(len(before), came)] if came else before
            before = again
        raise SourceError(f"Arbor's list of {path_of(kind)} does not stand still: tried again at the next pull")

    async def pages(self, kind: str, filters: Mapping[str, str] | None = None) -> AsyncIterator[Listed | Unreadable]:
        """Every page of the list, as one reading shows it; raises as `listed` does.

        Nobody says whether pages count from 0 or from 1: the first is asked for without a number, and a page 1 that is
        the same again is passed over.
        """
        query = {f"filters.{place}": value for place, value in (filters or {}).items()}
        first = self._address(path_of(kind), {**query, "page-size": str(_PAGE_SIZE)})
        before: Sequence[str] | None = None
        there = False
        async for page in self._http.pages(first, self._let_in, _Pages(kind)):
            there = True
            if isinstance(page, Unreadable):
                yield page
                continue
            ids = [record["id"] for record in page.records]
            if ids and ids == before:
                if page.number == 1:
                    continue
                return  # the server does not page: it gives the same again
            before = ids
            if ids:
                yield Listed(page.number, ids)
        if not there:
            raise NotShown(f"Arbor has no {path_of(kind)} (404): check the address and the school's id")

    async def objects(self, kind: str, ids: Sequence[str]) -> list[Mapping[str, Any] | Unreadable | None]:
        """The objects of these ids, in this order, several asked for at once; None for one that is not there any more.

        Raises SourceStopped, SourceError, NotShown: then no further one is asked for.
        """
        tasks = [asyncio.create_task(self.object(kind, one)) for one in ids]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def object(self, kind: str, object_id: str) -> Mapping[str, Any] | Unreadable | None:
        """One object, as `objects` has it."""
        async with self._gate:
            url = self._address(f"{path_of(kind)}/{object_id}")
            body = await self._http.get(url, self._let_in, _flaw_of(kind, _root(kind), dict))
        if body is None or isinstance(body, Unreadable):
            return body
        if _code(body) == 404:
            return None
        found: Mapping[str, Any] = body[_root(kind)]
        return found

    async def changes(self, kind: str, after: int) -> Changes | Unreadable:
        """What changed after a revision: asked again from the last one on, until the log says nothing newer.

        Raises SourceStopped, SourceError, NotShown.
        """
        latest: dict[str, Change] = {}
        last = after
        while True:
            url = self._address(f"{path_of(kind)}/changelog", {"from-revision": str(last)})
            body = await self._http.get(url, self._let_in, _flaw_of_changes(kind))
            if isinstance(body, Unreadable):
                return body
            if body is None or _code(body) == 404:
                raise NotShown(f"Arbor has no change log of {path_of(kind)} (404): check the address")
            newer = [one for one in body.get("changes") or [] if one["toRevision"] > last]
            if not newer:
                return Changes(list(latest.values()), last)
            for one in newer:
                changed = id_of(one["changedObject"])
                assert changed is not None  # the flaw would have said so
                latest.pop(changed, None)
                latest[changed] = Change(changed, str(one["changeType"]).lower().startswith("delete"))
            last = max(one["toRevision"] for one in newer)

    def _address(self, path: str, query: Mapping[str, str] | None = None) -> str:
        return self._http.address(f"{_API[1:]}/{path}", query)


def _ids(pages: Iterable[Listed | Unreadable]) -> dict[str, None]:
    return {one: None for page in pages if isinstance(page, Listed) for one in page.ids}


def id_of(link: Any) -> str | None:
    """The id of what an object links to, None where it links to nothing. Arbor writes {"entityType", "href", ...}."""
    match = _HREF.match(str(link.get("href"))) if isinstance(link, Mapping) else None
    return None if match is None else match["id"]


class _Pages(Paging):
    """Pages by number. The list has no link to the next one: it has ended at a page without objects."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._root = _root(f"{kind}s")
        self._flaw = _flaw_of(kind, self._root, list)

    def flaw(self, body: Any) -> str:
        found = self._flaw(body)
        if found:
            return found
        if all(_leads_to(path_of(self._kind), one) for one in body.get(self._root, [])):
            return ""
        return f"the list of {self._root} has an entry that links to none of them"

    def records(self, body: Any) -> Sequence[Mapping[str, Any]]:
        return [{"id": id_of(one)} for one in body.get(self._root, [])]

    def following(self, url: str, body: Any) -> Any:
        return self.behind(url) if body.get(self._root) else None

    def behind(self, url: str) -> str | None:
        read = httpx.URL(url)
        return str(read.copy_set_param("page-number", str(int(read.params.get("page-number", "0")) + 1)))


def path_of(kind: str) -> str:
    """Where a kind stands, as Arbor's own clients make it of its name: attendance-roll-call-records."""
    return _WORD_BEGINS.sub(r"-\1", f"{kind}s").lower()


def _root(name: str) -> str:
    return name[:1].lower() + name[1:]


def _leads_to(path: str, link: Any) -> bool:
    return id_of(link) is not None and str(link["href"]).startswith(f"{_API}/{path}/")


def _code(body: Mapping[str, Any]) -> int:
    """What the body itself says of its success; 0 when it says nothing."""
    said = body.get("response")
    code = said.get("code") if isinstance(said, Mapping) else None
    return int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()) else 0


def _flaw_of(kind: str, root: str, form: type) -> Callable[[Any], str]:
    def flaw(body: Any) -> str:
        refused = _refused(kind, body)
        if refused or _code(body) == 404:
            return refused
        found = body.get(root)
        if found is None and form is list and _code(body) == 200:
            return ""  # a list without entries may have no root
        return "" if isinstance(found, form) else f"the answer has no {root}"

    return flaw


def _flaw_of_changes(kind: str) -> Callable[[Any], str]:
    def flaw(body: Any) -> str:
        refused = _refused(kind, body)
        if refused or _code(body) == 404:
            return refused
        changes = body.get("changes")
        if changes is None and _code(body) == 200:
            return ""
        return "" if isinstance(changes, list) and all(_is_change(kind, one) for one in changes) else _NO_CHANGES

    return flaw


_NO_CHANGES = "the change log has no `changes`, or one that says not which object, how or when"


def _is_change(kind: str, one: Any) -> bool:
    return (
        isinstance(one, Mapping)
        and _leads_to(path_of(kind), one.get("changedObject"))
        and isinstance(one.get("changeType"), str)
        and isinstance(one.get("toRevision"), int)
    )


def _refused(kind: str, body: Any) -> str:
    """Why this is no answer at all. Raises SourceStopped, NotShown, SourceError where the body says that we may not."""
    if not isinstance(body, Mapping):
        return "the answer is no object"
    if not body:
        raise NotShown(f"Arbor answers about {path_of(kind)} with nothing: may our application read {kind}?")
    code = _code(body)
    if code in (401, 403):
        raise SourceStopped(
            f"Arbor refuses us ({code}): check the user and password, and that the school still permits it"
        )
    if code >= 400 and code != 404:
        return f"the answer says of itself that it failed ({code})"
    return ""

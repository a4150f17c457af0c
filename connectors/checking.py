"""Asks every school of every source what works, many at once, and changes nothing: before the first pull, and after."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from connectors import code_maps
from connectors.contract import Connector, Pull, Source
from connectors.makes import MAKES, Surroundings
from connectors.pupils import UpnKey
from connectors.sources import Definition, access_of
from connectors.sources_file import SourcesFile
from rollcall.domain.clock import london_date, now
from rollcall.domain.codes import NATIONAL
from rollcall.errors import RollcallError
from schemas.registry import RegistryAway

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["Checked", "check"]

_ROSTER = "reference.roster.v1"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found at one school. found: what stands in the way, a line each; empty when nothing.

    pupils: how many its roster holds, None when none could be read. school and urn are None for a source of which not
    even the schools are known.
    """

    name: str
    school: str | None
    urn: int | None
    found: Sequence[str]
    pupils: int | None = None


async def check(
    settings: Settings, *, names: Sequence[str] = (), at_once: int = 16, today: date | None = None
) -> list[Checked]:
    """Ask every school in force whether it lets us in, is the one we think, has codes we understand and a roster we can
    read. Schools that may not be pulled are not asked. `at_once`: schools asked at the same time, over all sources.

    Raises UsageError for a name that is none, ConfigError when the file or the key for UPNs cannot be read.
    """
    file = SourcesFile(settings.sources_file)
    sources = file.chosen(names)
    around = Surroundings(UpnKey.of(settings), today, hurried=True)
    gate = asyncio.Semaphore(at_once)
    maps = _Maps(settings)
    checked = await asyncio.gather(*(_source(source, file, around, gate, maps) for source in sources.values()))
    return [one for of_source in checked for one in of_source]


class _Maps:
    """Which code maps are published; asked of Kafka once, and only when a school has codes of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asked: asyncio.Task[set[str]] | None = None

    async def in_the_way(self, school: Source) -> list[str]:
        """A line when no map of the school's scheme is published, or nobody can say."""
        if school.code_scheme == NATIONAL:
            return []
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._published())
        try:
            known = await self._asked
        except (RollcallError, RegistryAway) as error:
            return [f"whether a code map of {school.code_scheme} is published could not be asked: {error}"]
        if school.code_scheme in known:
            return []
        return [f"no code map of {school.code_scheme} is published, and its marks stay unknown until one is"]

    async def _published(self) -> set[str]:
        return set(await asyncio.to_thread(code_maps.published, self._settings))


async def _source(
    source: Definition, file: SourcesFile, around: Surroundings, gate: asyncio.Semaphore, maps: _Maps
) -> list[Checked]:
    named = source.to_pull(around.today or london_date(now()))
    if source.schools and not named:
        return []
    try:
        access, failing = access_of(source, named, file.folder)
        found = [Checked(source.name, one.id, one.urn, [failing[one.id]]) for one in named if one.id in failing]
        if access is not None:
            async with MAKES[source.make].open(access, around) as connector:
                schools = [one for one in await connector.discover() if source.why_not(one.id, one.urn) is None]
                found += await asyncio.gather(*(_school(connector, one, gate, maps) for one in schools))
    except (RollcallError, OSError) as error:
        return [Checked(source.name, None, None, [str(error)])]
    places = {school.id: place for place, school in enumerate(named)}
    return sorted(found, key=lambda one: places.get(one.school or "", 0))


async def _school(connector: Connector, school: Source, gate: asyncio.Semaphore, maps: _Maps) -> Checked:
    async with gate:
        found = [*await connector.check(school), *await maps.in_the_way(school)]
        try:
            pupils = await _pupils(connector, school)
        except RollcallError as error:
            pupils = None
            if str(error) not in found:
                found.append(str(error))
        else:
            if pupils is None and type(connector).reference is not Connector.reference:
                found.append("its roster is empty or cannot be read")
    return Checked(connector.name, school.id, school.urn, found, pupils)


async def _pupils(connector: Connector, school: Source) -> int | None:
    """How many pupils the school's roster holds; None when the source gives none."""
    taken_at = now().replace(microsecond=0)
    async for reference in connector.reference(Pull(f"check:{school.id}", school, taken_at)):
        if reference.topic == _ROSTER:
            return len(reference.record["pupils"])
    return None

"""Pulls schools a second time, to be compared with what we hold of them: nothing is published, no state is changed.

The schools, the permission asked again and again, the secrets and the connectors are those of every other pull; a part
of each source's rate limit is taken (`RECONCILE_SHARE`), which the pulls beside it leave. Schools are read one after
the other, each held in memory as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from connectors.contract import BadPage, Connector, Pull, Source, Window
from connectors.encoding import milliseconds
from connectors.files import Claim
from connectors.makes import MAKES, Surroundings
from connectors.permission import Permission
from connectors.pupils import UpnKey
from connectors.runner import OVERLAP
from connectors.source_pulls import RECONCILE_SHARE, reconcile_runs, state_of
from connectors.sources import Definition, access_of
from connectors.sources_file import SourcesFile
from connectors.state import SourceState
from rollcall.domain.clock import london_date, now, to_the_millisecond
from rollcall.domain.comparison import Mark, Slot
from rollcall.domain.summaries import Summary
from rollcall.errors import ConfigError, RollcallError, SourceError

if TYPE_CHECKING:
    from rollcall.settings import Settings

__all__ = ["Asked", "NotAsked", "SecondPull", "mark_of", "schools"]

_DAY_ZERO = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class NotAsked:
    """A school, or with neither id nor URN a whole source, that was not asked, and why: one line for a person."""

    name: str
    why: str
    school: str | None = None
    urn: int | None = None


@dataclass(slots=True)
class SecondPull:
    """What a school's source holds of a window. unreadable: reason -> records that no mark could be made of.

    changed: records that the source itself dates later than our last whole pull.
    """

    marks: list[Mark]
    unreadable: Counter[str] = field(default_factory=Counter)
    changed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Asked:
    """One school that may be asked. pulled_at: when its last whole pull began, as it was before we asked."""

    name: str
    source: Source
    connector: Connector
    permission: Permission
    state: SourceState

    @property
    def pulled_at(self) -> datetime | None:
        """When the last whole pull began, UTC; None when there was none."""
        return self.state.cursor

    async def whole(self, window: Window) -> SecondPull:
        """Everything the source holds of these session dates.

        Raises NotPermitted when permission ends, SourceStopped and SourceError as `Connector.pull` does, and
        SourceError when a page cannot be read: then nobody can say what is missing.
        """
        pull = self._pull(window=window)
        found = SecondPull([])
        standing: dict[str, tuple[int, Mark]] = {}
        async for part in self.connector.parts(pull):
            said = await self._read(part)
            found.unreadable.update(said.unreadable)
            for mark in said.marks:
                at = _said_at(mark, part)
                if mark["record_id"] not in standing or standing[mark["record_id"]][0] <= at:
                    standing[mark["record_id"]] = at, mark_of(mark)
                if self._is_later(mark["modified_at"], part, pull):
                    found.changed.add(mark["record_id"])
            gone = self._withdraw(standing, said, part)
            if self._is_later(None, part, pull):
                found.changed |= gone
        found.marks = [mark for _, mark in standing.values()]
        return found

    async def changed(self) -> frozenset[str]:
        """Ids of the records that the next pull will read: changed or gone since the last whole one, and a little
        before it. Empty where there was none, and where reading them takes them (a folder). Raises as `whole` does."""
        if self.state.cursor is None or not self.connector.reads_without_taking:
            return frozenset()
        pull = self._pull(since=self.state.cursor - OVERLAP, place=self.state.place)
        said = await self._read(pull)
        return frozenset({*(mark["record_id"] for mark in said.marks), *said.deletions})

    async def summaries(self) -> list[Summary]:
        """The source's own count of each pupil's marks. Raises as `Connector.summaries` does, and NotPermitted."""
        async with aclosing(self.permission.during(self.source, self.connector.summaries(self.source))) as coming:
            return [summary async for summary in coming]

    def _pull(self, **what: Any) -> Pull:
        return Pull(f"reconcile:{self.source.id}", self.source, to_the_millisecond(now()), **what)

    async def _read(self, part: Pull) -> _Said:
        said = _Said()
        async with aclosing(self.permission.during(self.source, self.connector.pull(part))) as pages:
            async for page in pages:
                if isinstance(page, BadPage):
                    raise SourceError(f"a page of {page.resource} cannot be read: {page.reason}")
                read = self.connector.to_message(part, page)
                said.marks += read.marks
                said.deletions += read.deletions
                said.unreadable.update(refusal.reason for refusal in read.refused)
        return said

    def _withdraw(self, standing: dict[str, tuple[int, Mark]], said: _Said, part: Pull) -> set[str]:
        """Take out, and return, what a part says is gone, or, being whole and read whole, no longer has (rule 18)."""
        gone = set(said.deletions)
        if part.window is not None and not said.unreadable and not self.connector.sends_deletions:
            still = {mark["record_id"] for mark in said.marks}
            first, last = part.window.first_day, part.window.last_day
            gone |= {record for record, (_, mark) in standing.items() if first <= mark.slot.day <= last} - still
        for record in gone:
            standing.pop(record, None)
        return gone

    def _is_later(self, modified_at: int | None, part: Pull, pull: Pull) -> bool:
        """Whether a mark was changed (of an export: exported) after the last whole pull began. In ms since 1970."""
        own_time = modified_at if part is pull else milliseconds(part.taken_at)
        return self.state.cursor is not None and own_time is not None and own_time > milliseconds(self.state.cursor)


@dataclass(slots=True)
class _Said:
    marks: list[Any] = field(default_factory=list)
    deletions: list[str] = field(default_factory=list)
    unreadable: Counter[str] = field(default_factory=Counter)


async def schools(
    settings: Settings, *, names: Sequence[str], urns: Sequence[int] = (), today: date | None = None
) -> AsyncGenerator[Asked | NotAsked]:
    """Every school in force of these sources (or those of these URNs), one after the other.

    One that may not be asked, or cannot be for want of a secret, comes as NotAsked. Ask while it is the one that came:
    the connections of a source are closed behind its last school. Raises UsageError for a name that is none,
    ConfigError when the file or the key for UPNs cannot be read.
    """
    file = SourcesFile(settings.sources_file)
    around = Surroundings(UpnKey.of(settings), today, hurried=True)
    for definition in file.chosen(names).values():
        try:
            async with aclosing(_of_source(settings, definition, file, around)) as found:
                async for school in found:
                    urn = school.source.urn if isinstance(school, Asked) else school.urn
                    if not urns or urn is None or urn in urns:
                        yield school
        except (RollcallError, OSError) as error:
            yield NotAsked(definition.name, str(error))


async def _of_source(
    settings: Settings, definition: Definition, file: SourcesFile, around: Surroundings
) -> AsyncGenerator[Asked | NotAsked]:
    name, today = definition.name, around.today or london_date(now())
    with Claim(reconcile_runs(settings, name)) as ours:
        if not ours:
            raise ConfigError(f"another process reconciles {name} already")
        for school in definition.schools:
            why = definition.why_not(school.id, school.urn)
            if why is not None and school.in_force(today):
                yield NotAsked(name, why, school.id, school.urn)
        named = definition.to_pull(today)
        if definition.schools and not named:
            return
        access, failing = access_of(definition, named, file.folder)
        for school in named:
            if school.id in failing:
                yield NotAsked(name, failing[school.id], school.id, school.urn)
        if access is None:
            return
        access = replace(access, requests_a_second=access.requests_a_second * RECONCILE_SHARE)
        permission = Permission(file.permits(name))
        states = state_of(settings, name)
        async with MAKES[definition.make].open(access, around) as connector:
            for source in await connector.discover():
                why = definition.why_not(source.id, source.urn)
                state = states.load(source.id)
                if why is None and state.stopped is not None and state.credential == source.credential:
                    why = state.stopped
                if why is not None:
                    yield NotAsked(name, why, source.id, source.urn)
                else:
                    yield Asked(name, source, connector, permission, state)


def mark_of(mark: Any) -> Mark:
    """A mark of `attendance.mis.v1`, as a connector says it or as it is decoded, as the comparison has it."""
    day = mark["session_date"]
    if isinstance(day, int):
        day = date.fromordinal(_DAY_ZERO + day)
    slot = Slot(day, mark["session"], mark["period"] or "")
    return Mark(mark["record_id"], (mark["pupil_scheme"], mark["pupil_ref"]), slot, mark["code"])


def _said_at(mark: Any, part: Pull) -> int:
    """The time by which one saying of a record replaces another (rule 6), in ms since 1970."""
    modified: int | None = mark["modified_at"]
    return milliseconds(part.taken_at) if modified is None else modified

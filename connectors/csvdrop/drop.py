"""The files of a drop, school by school: which wait, which are kept, and what each is or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog

from connectors.access import Access
from connectors.contract import Source, Window
from connectors.csvdrop.columns import MARKS, ROSTER_KINDS
from connectors.csvdrop.export import Export, Identity, inspect, kind_of
from connectors.csvdrop.folder import LONGEST_NAME, Arrived, SchoolFolder, Seen
from connectors.csvdrop.names import NameSays, read_name
from connectors.csvdrop.options import Options, folder_of
from connectors.csvdrop.roster import demand_readable
from connectors.csvdrop.unreadable import Unreadable
from connectors.pupils import UpnKey
from rollcall.errors import SourceError

__all__ = ["Drop", "Refused", "both"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be taken, with the reason. taken_at: when it was last written, for its place in the order."""

    arrived: Arrived
    reason: str
    taken_at: datetime

    @property
    def name(self) -> str:
        """The name with which it arrived."""
        return self.arrived.name


class Drop:
    """The folder of one source. Raises ConfigError when its address or an option is none."""

    def __init__(self, access: Access, upn_key: UpnKey) -> None:
        self.options = Options.of(access)
        self._root = folder_of(access)
        self._ids = [source.id for source in access.sources]
        self._upn_key = upn_key
        self._seen: Seen = {}

    def folder(self, source: Source) -> SchoolFolder:
        """A school's folder; its files arrive in it, or in the one that all schools share."""
        own = self._root / source.id
        return SchoolFolder(self._root if self.options.shared else own, own)

    def waiting(self, source: Source) -> list[Export | Refused]:
        """The files to take: marks, and what is refused; in the order in which they were exported.

        A roster's file waits for `roster_files`. Raises SourceStopped, SourceError.
        """
        found = [one for one in self._all(source) if isinstance(one, Refused) or one.layout.kind == MARKS]
        return sorted(found, key=_order)

    def kept(self, source: Source, asked: Window) -> list[Export | Refused]:
        """Every file that may hold marks of these days, the taken ones too, in the order of their export; of whole
        exports those that no later one replaces in the days that are asked for. Raises as `waiting` does."""
        # Another process may take files meanwhile: looked for in the order in which they move, none is missed.
        waiting = self.waiting(source)
        done = [self._look(source, file) for file in self.folder(source).done(MARKS)]
        found = sorted([*waiting, *(one for one in done if one is not None)], key=_order)
        return [one for place, one in enumerate(found) if _stands(one, found[place + 1 :], asked)]

    def claim(self, source: Source, export: Export) -> Export | None:
        """Take a file out of the arrivals; None when it has to wait: it changed, or one of its name is being taken."""
        folder = self.folder(source)
        try:
            if Identity.of(export.path.stat()) != export.identity:
                return None
        except OSError:
            return None
        if folder.was_done(export):
            log.warning("file_taken_before", school=source.id, urn=source.urn, file=export.name)
        path = folder.claim(Arrived(export.path, export.name))
        return None if path is None else export.at(path)

    def roster_files(self, source: Source) -> tuple[Mapping[str, Export], Sequence[Export]]:
        """The latest file of each kind of a roster, and those among the arrivals. Raises Unreadable, and as above."""
        folder = self.folder(source)
        arrived: list[Export] = []
        for file in folder.arrived(self.options, self._seen):
            says = self._says(source, file.name)
            if says is not None and kind_of(file.path, self.options, source) in ROSTER_KINDS:
                arrived.append(inspect(file.path, file.name, says, self.options, source))
        latest: dict[str, Export] = {}
        for kind in ROSTER_KINDS:
            taken = [inspect(one.path, one.name, NameSays(), self.options, source) for one in folder.done(kind)[-1:]]
            of_kind = [*taken, *(one for one in arrived if one.layout.kind == kind)]
            if of_kind:
                latest[kind] = max(of_kind, key=_order)
        return latest, arrived

    def in_the_way(self, source: Source) -> list[str]:
        """What keeps files from being taken; empty when nothing does. Changes nothing. Raises as `waiting` does."""
        folder = self.folder(source)
        found: list[str] = []
        strangers = 0
        looked_at: Export | Refused | None = None
        for file in folder.arrived(self.options, self._seen):
            if self._owners(file.name) == 0:
                strangers += 1
            elif looked_at is None:
                looked_at = self._look(source, file)
        if strangers:
            found.append(f"{strangers} of its files have names that do not fit: they are never taken; see names")
        if isinstance(looked_at, Refused):
            found.append(f"{looked_at.name} will be refused: {looked_at.reason}")
        if refused := folder.refused():
            found.append(f"{refused} files lie in its folder `refused`, the reason beside each")
        return found

    def _all(self, source: Source) -> list[Export | Refused]:
        folder = self.folder(source)
        files = [*folder.arrived(self.options, self._seen), *folder.claimed()]
        return [one for one in map(partial(self._look, source), files) if one is not None]

    def _look(self, source: Source, file: Arrived) -> Export | Refused | None:
        """What a file is; None when it is none of this school, or has gone where others look for it."""
        try:
            says = self._says(source, file.name)
            if says is None:
                return None
            if len(file.name.encode()) > LONGEST_NAME:
                raise Unreadable(f"its name is longer than {LONGEST_NAME} bytes")
            export = inspect(file.path, file.name, says, self.options, source)
            if export.layout.kind != MARKS:
                demand_readable(export, source, self.options.pupil_scheme, self._upn_key)
        except Unreadable as error:
            changed = file.path.stat().st_mtime
            return Refused(file, str(error), datetime.fromtimestamp(changed, UTC))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"{file.name} cannot be read: {error.strerror}") from None
        return export

    def _says(self, source: Source, name: str) -> NameSays | None:
        said = read_name(self.options.names, name, source.id)
        if said is not None and self._owners(name) > 1:
            log.error("file_of_two_schools", school=source.id, file=name)
            return None
        return said

    def _owners(self, name: str) -> int:
        """How many schools a file could be of, by its name: one, unless `names` is written too openly."""
        ids = self._ids if self.options.shared else self._ids[:1]
        return sum(any(template.match(name, one) for template in self.options.names) for one in ids)


def _order(one: Export | Refused) -> tuple[datetime, str]:
    return one.taken_at, one.name


def _stands(one: Export | Refused, later: Sequence[Export | Refused], asked: Window) -> bool:
    """Whether something of the file concerns the days, and no later whole export says all of it again."""
    if isinstance(one, Refused):
        return True
    if one.window is None:
        return True
    days = both(one.window, asked)
    if days is None:
        return False
    wholes = [other.window for other in later if isinstance(other, Export) and other.window is not None]
    return not any(whole.first_day <= days.first_day and days.last_day <= whole.last_day for whole in wholes)


def both(one: Window, other: Window) -> Window | None:
    """The days that are in both; None when there is none."""
    first_day, last_day = max(one.first_day, other.first_day), min(one.last_day, other.last_day)
    return Window(first_day, last_day) if first_day <= last_day else None

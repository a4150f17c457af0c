"""The CSV drop: `connectors.contract.Connector` for a folder that others export into.

Each file is a pull of its own on Kafka (`parts`): it was taken when it was exported. The runner's cursor says only when
the folder was last read whole; what was read is told by where the files lie (`folder`). Files cannot tell of what was
deleted, bar a column that says so: a whole export of some days does (rule 18).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Any, ClassVar

import structlog

from connectors.access import Access, fingerprint
from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Reference, Source, Window
from connectors.csvdrop.columns import PUPILS
from connectors.csvdrop.drop import Drop, Refused, both
from connectors.csvdrop.export import Export, read
from connectors.csvdrop.roster import listed
from connectors.csvdrop.shape import KEPT_FIELDS, Reading, mark
from connectors.csvdrop.unreadable import Unreadable
from connectors.pupils import UpnKey
from connectors.records import read_page
from connectors.roster import TOPIC as ROSTER_TOPIC
from connectors.roster import roster
from rollcall import metrics
from rollcall.domain.clock import london_date
from rollcall.errors import ConfigError, RollcallError, SourceError

__all__ = ["CsvDropConnector"]

log = structlog.get_logger()

_DIGEST_LETTERS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part(Pull):
    """The pull of one file. records: so many of them Kafka has already. only: the days of a bounded pull; its file
    stays where it is."""

    file: Export | Refused
    records: int = 0
    only: Window | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roster(Reference):
    """A roster, with the files that arrived for it."""

    files: Sequence[Export] = ()


class CsvDropConnector(Connector):
    """Reads the folder of one Access. today: the day it is, for the pupils' ages; None: the day it really is in London.

    Raises ConfigError when the folder or an option of the Access is none.
    """

    make = "csvdrop"
    #: Bar a column that says so, only a whole export tells what is gone (rule 18): a record's id names its place.
    sends_deletions: ClassVar[bool] = False
    reads_without_taking: ClassVar[bool] = False

    def __init__(self, access: Access, upn_key: UpnKey, *, today: date | None = None) -> None:
        super().__init__(access.name)
        self._sources = access.sources
        self._drop = Drop(access, upn_key)
        self._upn_key = upn_key
        self._today = today

    async def discover(self) -> Sequence[Source]:
        """The schools we were told of: a folder does not know URNs. What lets us in are the rights to the folder."""
        if not self._sources:
            raise ConfigError(f"{self.name}: a CSV drop does not know its schools: name them")
        return [replace(one, credential=fingerprint(self._drop.folder(one).rights())) for one in self._sources]

    async def check(self, source: Source) -> Sequence[str]:
        """Whether the folder is there and ours, the next file can be taken, and none waits that never will be."""
        try:
            return await asyncio.to_thread(self._drop.in_the_way, source)
        except (RollcallError, OSError) as error:
            return [str(error)]

    async def parts(self, pull: Pull) -> AsyncIterator[Pull]:
        """A part for each file of marks, and for each file that is refused, in the order in which they were exported.

        A bounded pull reads every file there is, taken ones too, and leaves each where it is.
        """
        source = pull.source
        if pull.window is not None:
            for kept in await asyncio.to_thread(self._drop.kept, source, pull.window):
                yield self._part(pull, kept)
            return
        for file in await asyncio.to_thread(self._drop.waiting, source):
            if isinstance(file, Refused):
                yield self._part(pull, file)
                continue
            claimed = await asyncio.to_thread(self._drop.claim, source, file)
            if claimed is not None:
                # What is said to be whole begins again: its pages must be of one pull (rule 18).
                place = 0 if claimed.window is not None else self._drop.folder(source).place(claimed)
                yield self._part(pull, claimed, place)

    async def pull(self, pull: Pull) -> AsyncIterator[Page | BadPage]:
        """The records of a part's file, page by page; the last page says that it is, if only by being empty."""
        assert isinstance(pull, _Part), "a CSV drop is pulled by its parts"
        file = pull.file
        if isinstance(file, Refused):
            # The file itself is put aside: its bytes may hold names, and are not copied.
            yield BadPage(file.name, 0, file.reason, None)
            return
        if pull.only is not None:
            file = self._drop.folder(pull.source).whereabouts(file)
        size, records, number, last = self._drop.options.rows_a_page, pull.records, 0, False
        rows = read(file, records)
        while not last:
            page = await asyncio.to_thread(_next, file, rows, size)
            records += len(page)
            last = len(page) < size
            yield Page(file.name, number, page, {"records": records, "last": last})
            number += 1

    def to_message(self, pull: Pull, page: Page) -> MarksPage:
        """Marks, and ids of what a column says is gone. A whole export's day outside its own days is refused."""
        assert isinstance(pull, _Part)
        assert isinstance(pull.file, Export)
        file = pull.file
        how = Reading(pull.source, file.layout, file.dates, self._drop.options.pupil_scheme, file.window)
        asked = pull if pull.only is None else replace(pull, window=pull.only)
        return read_page(asked, page.records, lambda row: mark(row, how, self._upn_key), KEPT_FIELDS)

    async def reference(self, pull: Pull) -> AsyncIterator[Reference]:
        """The roster of the latest files of pupils, enrolments and groups; nothing when one cannot be read whole."""
        try:
            found = await asyncio.to_thread(self._roster, pull)
        except Unreadable as error:
            metrics.CONNECTOR_PAGES.labels(connector=self.name, outcome="unparsable").inc()
            log.error("roster_unreadable", connector=self.name, school=pull.source.id, why=str(error))
            return
        if found is not None:
            yield found

    async def acknowledged(self, pull: Pull, what: Page | BadPage | Reference) -> None:
        """Remember the place in the file; behind its last page put it away. Put aside what is refused."""
        folder = self._drop.folder(pull.source)
        if isinstance(what, _Roster):
            for one in what.files:
                await asyncio.to_thread(folder.put_away, one)
            return
        if not isinstance(pull, _Part) or pull.only is not None:
            return
        file = pull.file
        if isinstance(file, Refused):
            await asyncio.to_thread(folder.refuse, file.arrived, file.reason)
        elif isinstance(what, Page) and what.context["last"]:
            await asyncio.to_thread(folder.put_away, file)
        elif isinstance(what, Page) and file.window is None:
            await asyncio.to_thread(folder.remember_place, file, what.context["records"])

    def _part(self, pull: Pull, file: Export | Refused, records: int = 0) -> _Part:
        """The pull of one file. Its id is what it is of, so that the same file again is the same pull."""
        window = file.window if isinstance(file, Export) else None
        if window is not None and pull.window is not None:
            window = both(window, pull.window)
        stamp = f"{file.taken_at:%Y%m%dT%H%M%S}.{file.taken_at.microsecond // 1000:03d}Z"
        name = [
            self.name,
            pull.source.id,
            stamp,
            file.digest[:_DIGEST_LETTERS] if isinstance(file, Export) else "refused",
        ]
        if pull.window is not None:
            name.append(f"{pull.window.first_day}..{pull.window.last_day}")
        if records:
            name.append(f"from {records}")
        return _Part(
            id=":".join(name),
            source=pull.source,
            taken_at=file.taken_at,
            window=window,
            file=file,
            records=records,
            only=pull.window,
        )

    def _roster(self, pull: Pull) -> _Roster | None:
        latest, arrived = self._drop.roster_files(pull.source)
        if PUPILS not in latest:
            if latest:
                log.warning("roster_without_pupils", school=pull.source.id, urn=pull.source.urn)
            return None
        everybody = listed(latest, pull.source, self._drop.options.pupil_scheme, self._upn_key)
        if not everybody:
            # A school without pupils is an export that failed, not a school that has emptied.
            raise Unreadable(f"{latest[PUPILS].name} lists nobody")
        record = roster(pull, self._drop.options.pupil_scheme, everybody, self._today or london_date(pull.taken_at))
        return _Roster(ROSTER_TOPIC, str(pull.source.urn), record, files=arrived if pull.window is None else ())


def _next(file: Export, rows: Iterator[Mapping[str, Any]], size: int) -> list[Mapping[str, Any]]:
    """The next records; fewer than `size` when the file has ended."""
    try:
        return list(islice(rows, size))
    except OSError as error:
        raise SourceError(f"{file.name} cannot be read: {error.strerror}") from None

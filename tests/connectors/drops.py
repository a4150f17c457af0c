"""A CSV drop for tests: a folder of one school, files written into it as exporters do, and a connector of it."""

from __future__ import annotations

import asyncio
import csv
import ctypes
import io
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from connectors.access import Access
from connectors.contract import BadPage, Connector, MarksPage, Page, Pull, Source, Window
from connectors.csvdrop.connector import CsvDropConnector
from connectors.pupils import UpnKey

__all__ = ["SCHOOL", "TAKEN", "Drop", "connector", "ordinary_rights", "table"]

SCHOOL = "school-a"
#: When the files of tests were last written, if nothing else is said.
TAKEN = datetime(2025, 11, 5, 8, 0, tzinfo=UTC)
#: Linux: the right to pass over the permissions of files, and to read past them.
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2
_VERSION = 0x20080522


def connector(
    folder: str, urn: int, options: Mapping[str, str], code_scheme: str = "national"
) -> tuple[Connector, Callable[[], Awaitable[None]]]:
    """A connector of one school's folder, and what closes it."""
    scheme = f"csvdrop:{urn}" if code_scheme == "local" else code_scheme
    access = Access("csvdrop", f"file:{folder}", sources=(Source(SCHOOL, urn, scheme),), options=options)

    async def close() -> None:
        """Nothing is held."""

    return CsvDropConnector(access, UpnKey(b"a key that is only used in tests", "k1"), today=date(2025, 11, 5)), close


class Drop:
    """The folder of one school in a folder of a test."""

    def __init__(self, root: Path, urn: int = 100_001, **options: str) -> None:
        self.root, self.urn, self.options = root, urn, options
        self.folder = root / SCHOOL
        self.folder.mkdir(parents=True, exist_ok=True)
        self.scheme = "national"

    def write(self, name: str, content: str | bytes, taken: datetime | None = TAKEN, encoding: str = "utf-8") -> Path:
        """A whole file, last written at `taken` (None: now)."""
        file = self.folder / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        if taken is not None:
            os.utime(file, (taken.timestamp(), taken.timestamp()))
        return file

    def connector(self) -> Connector:
        return connector(str(self.root), self.urn, self.options, self.scheme)[0]

    def read(self, window: Window | None = None) -> tuple[list[dict[str, Any]], list[MarksPage], list[BadPage]]:
        """Pull once, as the runner does with a Kafka that takes everything: marks, what each page says, bad pages."""
        return asyncio.run(self._read(window))

    async def _read(self, window: Window | None) -> tuple[list[dict[str, Any]], list[MarksPage], list[BadPage]]:
        made = self.connector()
        (source,) = await made.discover()
        said: list[MarksPage] = []
        bad: list[BadPage] = []
        async for part in made.parts(Pull("p", source, datetime(2025, 11, 5, 12, tzinfo=UTC), window=window)):
            async for page in made.pull(part):
                if isinstance(page, Page):
                    said.append(made.to_message(part, page))
                else:
                    bad.append(page)
                await made.acknowledged(part, page)
        return [dict(mark) for page in said for mark in page.marks], said, bad

    def files(self, folder: str = "") -> list[str]:
        """The names of the files in one of its folders."""
        place = self.folder / folder
        return sorted(file.name for file in place.iterdir() if file.is_file()) if place.exists() else []

    def reason(self) -> str:
        """Why the one refused file is refused."""
        (reason,) = [file for file in (self.folder / "refused").iterdir() if file.name.endswith(".reason.txt")]
        assert reason.with_name(reason.name.removesuffix(".reason.txt")).exists()
        return reason.read_text()


def table(headings: Sequence[str], *rows: Sequence[str], separator: str = ",") -> str:
    """A file with these headings and rows."""
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([headings, *rows])
    return out.getvalue()


@contextmanager
def ordinary_rights() -> Iterator[None]:
    """Permissions of files hold for this thread, and for those it starts, even when root runs the tests."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    held = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    if libc.capget(header, held):
        raise OSError(ctypes.get_errno(), "capget")
    effective = held[0]
    held[0] = effective & ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
    if libc.capset(header, held):
        raise OSError(ctypes.get_errno(), "capset")
    try:
        yield
    finally:
        held[0] = effective
        libc.capset(header, held)

"""One file of a drop, looked at as a whole before the first of its rows is sent; then read page by page.

What must be known of all rows first: the encoding, the form of the dates, when it was exported, whether it is of one
school. So a file is taken, or refused whole; a row that cannot be read is refused alone, later. Looking reads the file
twice and holds one row of it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from connectors.contract import Source, Window
from connectors.csvdrop.columns import DATES, MARKS, Layout, recognise
from connectors.csvdrop.dates import Evidence, read_instant
from connectors.csvdrop.names import NameSays
from connectors.csvdrop.options import Options
from connectors.csvdrop.text import Bytes, Row, as_text, first_line, look, rows
from connectors.csvdrop.unreadable import Unreadable
from rollcall.domain.clock import to_the_millisecond
from rollcall.errors import SourceError

__all__ = ["Export", "Identity", "inspect", "kind_of", "read"]

_SEPARATORS = (",", ";", "\t")
#: Where the first line of a file must end, for a look at what it is.
_HEAD_BYTES = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Identity(NamedTuple):
    """What tells a file from another of its name, and from itself when it has been written to."""

    inode: int
    size: int
    changed_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Identity:
        """From what the file system says."""
        return cls(stat.st_ino, stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Export:
    """A file that can be taken. path: where it lies now; name: as it arrived.

    taken_at: when it was exported: as a column says, else its name, else when it was last written; never when it is
    read (rule 6). window: the days of which it holds everything, None where nothing says so (rule 18). rows: its
    records without the first line.
    """

    path: Path
    name: str
    identity: Identity
    digest: str
    encoding: str
    layout: Layout
    dates: str
    taken_at: datetime
    window: Window | None
    rows: int

    def at(self, path: Path) -> Export:
        """The same file, moved."""
        return replace(self, path=path)


def inspect(path: Path, name: str, says: NameSays, options: Options, source: Source) -> Export:
    """Look at a whole file. says: what its name says.

    Raises Unreadable when it is refused, SourceError when it changes meanwhile, OSError.
    """
    with path.open("rb") as file:
        identity = Identity.of(os.fstat(file.fileno()))
        if not identity.size:
            raise Unreadable("it is empty")
        found = look(file, options.encoding)
        layout = _layout(file, found.encoding, options, source)
        dates, exported, count = _all_rows(file, found, layout, options)
        if Identity.of(os.fstat(file.fileno())) != identity:
            raise SourceError(f"{name} was written to while it was read: it is read again at the next pull")
    taken_at = exported or says.taken_at or _EPOCH + timedelta(microseconds=identity.changed_ns // 1000)
    return Export(
        path=path,
        name=name,
        identity=identity,
        digest=found.digest,
        encoding=found.encoding,
        layout=layout,
        dates=dates,
        taken_at=to_the_millisecond(taken_at),
        window=says.window if options.complete and layout.kind == MARKS else None,
        rows=count,
    )


def kind_of(path: Path, options: Options, source: Source) -> str | None:
    """What a file is, by its first line alone; None when that cannot be told (it may have to be refused)."""
    with path.open("rb") as file:
        headings = first_line(file.read(_HEAD_BYTES))
    for separator in _SEPARATORS:
        named = next(csv.reader([headings], delimiter=separator), [])
        try:
            return recognise(named, separator, options.columns, source.code_scheme).kind
        except Unreadable:
            continue
    return None


def read(export: Export, skip: int = 0) -> Iterator[Mapping[str, Any]]:
    """The records of a file behind the first `skip`, each as `line`, `last_line` and its columns by what they say.

    One that cannot be told apart, or has another number of columns than the first line names, has `problem` instead.
    Raises SourceError when the file is not the one that was inspected, or is written to before its end; OSError.
    """
    layout = export.layout
    with export.path.open("rb") as file:
        _same(export, file)
        with as_text(file, export.encoding) as text:
            records = rows(text, layout.separator)
            next(records)  # the first line
            for number, row in enumerate(records):
                if number >= export.rows:
                    break  # a writer that never stops must not keep us
                if number >= skip:
                    yield _record(row, layout)
        _same(export, file)


def _record(row: Row, layout: Layout) -> dict[str, Any]:
    where = {"line": row.line, "last_line": row.last_line}
    if row.problem:
        return {**where, "problem": row.problem}
    if len(row.fields) != layout.width:
        return {**where, "problem": f"it has {len(row.fields)} columns, and the first line names {layout.width}"}
    return {**where, **{role: row.fields[place] for role, place in layout.places.items()}}


def _layout(file: BinaryIO, encoding: str, options: Options, source: Source) -> Layout:
    """The columns, by the one separator with which the first line names what is needed."""
    failures: list[tuple[int, Unreadable]] = []
    found: list[Layout] = []
    for separator in _SEPARATORS:
        try:
            with as_text(file, encoding) as text:
                first = next(rows(text, separator), None)
        except Unreadable as error:
            failures.append((0, error))
            continue
        if first is None:
            raise Unreadable("it holds nothing but empty lines")
        try:
            found.append(recognise(first.fields, separator, options.columns, source.code_scheme))
        except Unreadable as error:
            failures.append((len(first.fields), error))
    if len(found) > 1:
        raise Unreadable("its first line can be read with more than one separator")
    if not found:
        raise max(failures, key=lambda failure: failure[0])[1]
    return found[0]


def _all_rows(file: BinaryIO, found: Bytes, layout: Layout, options: Options) -> tuple[str, datetime | None, int]:
    """The form of the dates, when it was exported (None: no column says), and how many records there are."""
    evidence = Evidence()
    date_places = [(layout.places[role], layout.heading(role)) for role in DATES if role in layout.places]
    once = {role: layout.places[role] for role in ("exported", "application") if role in layout.places}
    said: dict[str, str] = {}
    count = 0
    with as_text(file, found.encoding) as text:
        records = rows(text, layout.separator)
        next(records)  # the first line
        for row in records:
            count += 1
            if row.problem or len(row.fields) != layout.width:
                continue
            for place, heading in date_places:
                evidence.add(row.fields[place], row.line, heading)
            for role, place in once.items():
                if said.setdefault(role, row.fields[place]) != row.fields[place]:
                    raise Unreadable(f"line {row.line} says another {layout.heading(role)} than the lines before")
    dates = evidence.decide(options.dates)
    if "exported" not in said:
        return dates, None, count
    try:
        return dates, read_instant(said["exported"], dates), count
    except ValueError:
        raise Unreadable(f"its column {layout.heading('exported')} holds no date and time") from None


def _same(export: Export, file: BinaryIO) -> None:
    if Identity.of(os.fstat(file.fileno())) != export.identity:
        raise SourceError(f"{export.name} was written to while it was read: it is read again at the next pull")

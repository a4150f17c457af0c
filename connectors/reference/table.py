"""Files as columns of text, each row with its line; what is wrong with a row is said by line and column.

CSV, or JSON (an array of objects, whose place in it stands for the line). Encodings of CSV: UTF-8 where the file says
so by its byte order mark or its caller does, else Windows-1252, as GIAS writes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl

from rollcall.errors import UsageError

__all__ = ["LINE", "Table", "Wrong", "read"]

#: The column that holds a row's line in the file; the header is line 1.
LINE = "line"
#: Bytes that an encoding does not know come through as these, so that their row can be named.
_UNREADABLE = re.compile("[\udc80-\udcff]")


class Wrong(NamedTuple):
    """One thing wrong with one row. `column` is empty when it is the row as a whole. `unit`: line, or entry of JSON."""

    line: int
    column: str
    reason: str
    unit: str = "line"

    def __str__(self) -> str:
        where = f"{self.unit} {self.line}"
        return f"{where}, {self.column}: {self.reason}" if self.column else f"{where}: {self.reason}"


@dataclass(slots=True)
class Table:
    """The rows of a file that can be read so far, and what is wrong with the others.

    `frame`: one column of text for each wanted column, without the spaces around it, and `line`. `rows`: how many the
    file has, so that at any time `frame.height` + rows taken out = `rows`. `spoilt`: what stood in the key columns of
    the rows taken out, `()` where that cannot be told: whatever they are part of is not whole.
    """

    name: str
    frame: pl.DataFrame
    rows: int
    wrong: list[Wrong] = field(default_factory=list)
    unit: str = "line"
    keys: tuple[str, ...] = ()
    spoilt: set[tuple[str, ...]] = field(default_factory=set)

    def refuse(self, condition: pl.Expr, column: str, reason: str) -> None:
        """Take out the rows for which `condition` holds. `reason` may hold {} for what stands in the column."""
        bad = self.frame.filter(condition)
        values = bad[column] if column in bad.columns else [""] * bad.height
        self.wrong += [
            Wrong(line, column, reason.format(value), self.unit) for line, value in zip(bad[LINE], values, strict=True)
        ]
        self.spoilt |= {tuple(map(str, key)) for key in bad.select(self.keys).iter_rows()}
        self.frame = self.frame.filter(~condition.fill_null(value=False))

    def need(self, *columns: str) -> None:
        """Take out the rows in which one of these columns is empty."""
        for column in columns:
            self.refuse(pl.col(column) == "", column, "is empty")

    def number(self, column: str, what: str) -> None:
        """Make a column whole numbers from 1 on (Int64); rows in which it is none are taken out."""
        self.refuse(~pl.col(column).str.contains(r"^[0-9]{1,9}$"), column, f"{{!r}} is no {what}")
        self.frame = self.frame.with_columns(pl.col(column).cast(pl.Int64))
        self.refuse(pl.col(column) < 1, column, f"{{!r}} is no {what}")

    def dates(self, *columns: str, written: str = "%Y-%m-%d", example: str = "2025-09-10") -> None:
        """Make columns dates, empty ones null; rows in which one is no date are taken out."""
        for column in columns:
            # A year of two digits would be read as one of the first century.
            whole = pl.when(pl.col(column).str.len_chars() == len(example)).then(pl.col(column))
            parsed = whole.str.to_date(written, strict=False, exact=True)
            self.refuse((pl.col(column) != "") & parsed.is_null(), column, f"{{!r}} is no date written {example}")
            self.frame = self.frame.with_columns(parsed)

    def unique(self, columns: Sequence[str], reason: str) -> None:
        """Of several rows with the same values in `columns` the first stays."""
        first = pl.col(LINE) == pl.col(LINE).min().over(columns)
        self.refuse(~first, columns[0], reason)


def read(
    file: Path,
    wanted: Sequence[str],
    optional: Mapping[str, str] | None = None,
    *,
    encoding: str = "cp1252",
    keys: tuple[str, ...] = (),
) -> Table:
    """Read the wanted columns of a file, and of the optional ones those it has (else their value everywhere).

    `keys`: columns of which `Table.spoilt` is to know. Raises UsageError when there is no such file, or it does not
    name every wanted column.
    """
    if file.suffix.lower() == ".json":
        return _read_json(file, wanted, optional or {}, keys)
    text = _text(file, encoding)
    rows = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(rows, [])]
    if missing := [name for name in wanted if name not in header]:
        raise UsageError(f"{file}: the first line must name the columns {', '.join(missing)}")
    optional = optional or {}
    places = {name: header.index(name) for name in (*wanted, *optional) if name in header}
    wrong: list[Wrong] = []
    columns: dict[str, list[str]] = {name: [] for name in places}
    lines: list[int] = []
    damaged = _UNREADABLE.search(text) is not None
    count, line = 0, rows.line_num + 1
    for row in rows:
        begins, line = line, rows.line_num + 1
        if not row:
            continue
        count += 1
        if len(row) != len(header):
            wrong.append(Wrong(begins, "", f"has {len(row)} columns, the first line has {len(header)}"))
            continue
        if damaged and (unreadable := [name for name, at in places.items() if _UNREADABLE.search(row[at])]):
            wrong.append(Wrong(begins, unreadable[0], f"holds a byte that is no {encoding}"))
            continue
        lines.append(begins)
        for name, at in places.items():
            columns[name].append(row[at].strip())
    frame = pl.DataFrame({LINE: lines, **columns}, schema={LINE: pl.Int64, **dict.fromkeys(columns, pl.String)})
    frame = frame.with_columns(pl.lit(value).alias(name) for name, value in optional.items() if name not in places)
    return Table(str(file), frame, count, wrong, keys=keys, spoilt={()} if wrong else set())


def _read_json(file: Path, wanted: Sequence[str], optional: Mapping[str, str], keys: tuple[str, ...]) -> Table:
    """An array of flat objects; a list of texts or numbers within one is its items with semicolons between them."""
    try:
        entries = json.loads(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{file} is no JSON: {error}") from None
    if not (isinstance(entries, list) and all(isinstance(one, dict) for one in entries)):
        raise UsageError(f"{file}: an array of objects is wanted")
    for place, entry in enumerate(entries, 1):
        if missing := [name for name in wanted if name not in entry]:
            raise UsageError(f"{file}, entry {place}: lacks {', '.join(missing)}")
    columns = {
        name: [_as_text(entry.get(name, default)) for entry in entries]
        for name, default in {**dict.fromkeys(wanted, ""), **optional}.items()
    }
    schema = {LINE: pl.Int64, **dict.fromkeys(columns, pl.String)}
    frame = pl.DataFrame({LINE: list(range(1, len(entries) + 1)), **columns}, schema=schema)
    return Table(str(file), frame, len(entries), unit="entry", keys=keys)


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ";".join(map(_as_text, value))
    return "" if value is None else str(value).strip()


def _text(file: Path, encoding: str) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    if raw.startswith(b"\xef\xbb\xbf"):
        return raw[3:].decode("utf-8", "surrogateescape")
    return raw.decode(encoding, "surrogateescape")

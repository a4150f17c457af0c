"""Running statements on the engine: one handle for each statement, results in pieces, cancel by tag.

A fresh handle costs 0.2 ms and isolates settings, the database and readonly, so none is ever reused.
`chdb.Connection.send_insert` is never called: it acknowledges writes that failed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chdb
import pyarrow as pa

from rollcall.stack.clickhouse.errors import QueryError, from_engine
from rollcall.stack.clickhouse.headers import Headers
from rollcall.stack.clickhouse.request import InsertHead, statement_kind, trailing_format

__all__ = ["Engine", "Result", "Statement", "quoted"]

#: In force on every handle unless the client says otherwise. async_insert is on by default since ClickHouse 26:
#: a small INSERT ... VALUES would wait up to 0.2 s for company. A join by several hash tables at once, the default, is
#: for many cores: on two it makes a question about one school a third dearer (docs/performance.md).
BASE_SETTINGS = {"async_insert": "0", "join_algorithm": "hash"}
#: Formats whose pieces, put one after the other, are the format again; ArrowStream is joined message by message.
STREAMABLE = frozenset(("Native", "RowBinary", "TabSeparated", "TSV", "CSV", "JSONEachRow", "ArrowStream"))
_SETTING_NAME = re.compile(r"\w+")
#: Values and names of databases that mean in an address what they mean in SET and USE: they hold no sign of either.
_PLAIN = re.compile(r"[\w.,-]+", re.A)


def quoted(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass
class Statement:
    """What to run and under which conditions. `tag` finds it again when it must be cancelled."""

    sql: bytes
    default_format: str = "TabSeparated"
    database: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    bindings: dict[str, str] = field(default_factory=dict)
    #: Statements run on the handle first: what a session has SET before, then what the user is held to.
    before: tuple[str, ...] = ()
    after_settings: tuple[str, ...] = ()
    tag: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def kind(self) -> str:
        return statement_kind(self.sql)


@dataclass
class Result:
    """The answer in pieces and, when all pieces were taken, what it cost. `format` is None when there is no answer.

    `close` must be called in the end, whether or not all pieces were taken.
    """

    format: str | None
    pieces: Iterator[bytes]
    close: Callable[[], None] = lambda: None
    summary: dict[str, int] = field(default_factory=dict)

    def count(self, outcome: Any) -> None:
        """Add what one of chDB's results says it read and wrote."""
        parts = {
            "read_rows": outcome.storage_rows_read(),
            "read_bytes": outcome.storage_bytes_read(),
            "written_rows": outcome.rows_written(),
            "written_bytes": outcome.bytes_written(),
            "result_rows": outcome.rows_read(),
            "result_bytes": outcome.size(),
            "elapsed_ns": int(outcome.elapsed() * 1e9),
        }
        for name, value in parts.items():
            self.summary[name] = self.summary.get(name, 0) + value


class Engine:
    """The engine of this process, opened on one folder."""

    def __init__(self, folder: Path, config: Path | None = None) -> None:
        # chDB sets the level to trace as soon as a log is named, whatever the file says: 20 MB for 10,000 queries.
        self._where = f"{folder}?config-file={config}&log-level=fatal" if config else str(folder)
        self._root = chdb.connect(self._where)
        self._headers = Headers()
        self.version = self._root.query("SELECT version()", "TSV").bytes().decode().strip()
        self.timezone = self._root.query("SELECT timezone()", "TSV").bytes().decode().strip()
        names = self._root.query("SELECT name FROM system.settings", "TSV").bytes().decode()
        self._setting_names = frozenset(names.split())

    def close(self) -> None:
        self._root.close()

    def ask(self, sql: str, bindings: Mapping[str, str] | None = None, database: str = "") -> str:
        """The answer to a question of the front itself, tab separated and unescaped."""
        with _Closing(self._connect(database, {})) as handle:
            return bytes(_ask(handle, sql.encode(), "TSVRaw", bindings or {}).bytes()).decode()

    def cancel(self, tag: str) -> None:
        """Stop the statement with this tag, if it still runs. Returns at once."""
        _ask(self._root, f"KILL QUERY WHERE Settings['log_comment'] = {quoted(tag)} ASYNC".encode(), "Null", {})

    def cancel_all(self) -> None:
        """Stop every statement that runs. Returns at once."""
        _ask(self._root, b"KILL QUERY WHERE query NOT LIKE 'KILL QUERY%' ASYNC", "Null", {})

    def insert(self, statement: Statement, head: InsertHead, descriptor: int) -> Result:
        """Insert a body that lies in a memory file. Returns when every row is in its table and views, or raises."""
        settings = f" SETTINGS {head.settings}" if head.settings else ""
        where = f"/proc/{os.getpid()}/fd/{descriptor}"
        sql = f"INSERT INTO {head.target} FROM INFILE '{where}'{settings} FORMAT {head.format}"
        result = Result(None, iter(()))
        with self._handle(statement) as handle:
            result.count(_ask(handle, sql.encode(), "Null", statement.bindings))
        result.summary["result_rows"] = result.summary["result_bytes"] = 0
        return result

    def run(self, statement: Statement) -> Result:
        """Run any other statement. The first piece is computed before this returns, so most errors are raised here."""
        _, asked = trailing_format(statement.sql)
        answer_format = asked or statement.default_format
        if statement.kind in ("SELECT", "WITH") and answer_format in STREAMABLE:
            return self._stream(statement, answer_format)
        result = Result(answer_format, iter(()))
        try:
            with self._handle(statement) as handle:
                outcome = _ask(handle, statement.sql, answer_format, statement.bindings)
                body = outcome.bytes() or b""
                result.count(outcome)
        finally:
            self._headers.ran(statement.sql)
        if not body and statement.kind not in ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS"):
            result.format = None
        result.pieces = iter((body,) if body else ())
        return result

    def _stream(self, statement: Statement, answer_format: str) -> Result:
        handle = self._open(statement)
        stream = _Stream(self, handle, statement)
        result = Result(answer_format, iter(()), close=stream.close)
        try:
            if stream.start(statement, answer_format) is None:
                result.pieces = iter((self._empty(handle, statement, answer_format),))
            else:
                pieces = stream.pieces(result)
                result.pieces = _one_arrow_stream(pieces) if answer_format == "ArrowStream" else pieces
        except BaseException:
            stream.close()
            raise
        return result

    def _empty(self, handle: Any, statement: Statement, answer_format: str) -> bytes:
        """What a server answers for no rows: chDB's stream answers nothing, also where a header belongs."""
        if answer_format not in ("Native", "ArrowStream"):
            return b""
        decides = (
            statement.database, answer_format, statement.before, statement.after_settings,
            tuple(sorted(statement.settings.items())), tuple(sorted(statement.bindings.items())),
        )  # fmt: skip
        return self._headers.of(statement.sql, decides, lambda: self._header(handle, statement, answer_format))

    def _header(self, handle: Any, statement: Statement, answer_format: str) -> bytes:
        select, _ = trailing_format(statement.sql)
        select = select.rstrip().rstrip(b";")
        if answer_format == "Native":
            described = _ask(handle, b"DESCRIBE (" + select + b"\n)", "JSONCompact", statement.bindings).bytes()
            columns = [column[:2] for column in json.loads(described)["data"]]
            names_and_types = b"".join(_varint(len(text.encode())) + text.encode() for pair in columns for text in pair)
            return _varint(len(columns)) + _varint(0) + names_and_types
        sql = b"SELECT * FROM (" + select + b"\n) LIMIT 0"
        return bytes(_ask(handle, sql, answer_format, statement.bindings).bytes())

    def _handle(self, statement: Statement) -> _Closing:
        return _Closing(self._open(statement))

    def _open(self, statement: Statement) -> Any:
        """A handle under the statement's conditions. Raises QueryError (unknown database or setting, readonly)."""
        said = {**BASE_SETTINGS, "log_comment": statement.tag}
        if not statement.before:  # nothing comes between them
            return self._connect(statement.database, {**said, **statement.settings}, *statement.after_settings)
        later = [_set(statement.settings)] if statement.settings else []
        return self._connect(statement.database, said, *statement.before, *later, *statement.after_settings)

    def _connect(self, database: str, settings: Mapping[str, str], *then: str) -> Any:
        """A handle with these settings, on which the statements ``then`` have run. Raises QueryError.

        Database and settings stand in the address where they can: USE and SET are statements of their own, which each
        handle would pay for (docs/performance.md). A name that the engine does not know would be passed over in an
        address, and what is not plain would be misread: then all settings go through one SET, readonly among them.
        """
        plain = all(name in self._setting_names and _PLAIN.fullmatch(value) for name, value in settings.items())
        address = [f"{name}={value}" for name, value in settings.items()] if plain else []
        first = [] if plain else [_set(settings)]
        if _PLAIN.fullmatch(database):
            address.append(f"database={database}")
        elif database:
            first.insert(0, _use(database))
        try:
            handle = chdb.connect("&".join((self._where + ("" if "?" in self._where else "?"), *address)))
        except RuntimeError as error:
            raise from_engine(error) from error
        try:
            for statement in (*first, *then):
                handle.query(statement)
        except RuntimeError as error:
            handle.close()
            raise from_engine(error) from error
        except BaseException:
            handle.close()
            raise
        return handle


class _Closing:
    """A handle that is closed at the end of a with block."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __enter__(self) -> Any:
        return self._handle

    def __exit__(self, *_: object) -> None:
        self._handle.close()


def _ask(handle: Any, sql: bytes, answer_format: str, bindings: Mapping[str, str]) -> Any:
    try:
        return handle.query(sql, answer_format, params=bindings)
    except RuntimeError as error:
        raise from_engine(error) from error


def _use(database: str) -> str:
    return "USE `" + database.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _set(settings: Mapping[str, str]) -> str:
    """One SET for all settings: each alone costs nearly as much."""
    for name in settings:
        if not _SETTING_NAME.fullmatch(name):
            raise QueryError.of(115, "UNKNOWN_SETTING", f"Setting {name!r} is neither a parameter nor a setting.")
    return "SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())


class _Stream:
    """A running SELECT: its pieces as bytes, and a handle that is closed when they end, fail, or nobody wants them."""

    def __init__(self, engine: Engine, handle: Any, statement: Statement) -> None:
        self._engine, self._handle, self._tag = engine, handle, statement.tag
        self._stream: Any = None
        self._ahead: Any = None

    def start(self, statement: Statement, answer_format: str) -> Any:
        """Compute the first piece and put it back; None when there are no rows."""
        try:
            self._stream = self._handle.send_query(statement.sql, answer_format, params=statement.bindings)
            self._ahead = next(self._stream, None)
        except RuntimeError as error:
            self._stream = None
            raise from_engine(error) from error
        if self._ahead is None:
            self._stream = None
        return self._ahead

    def pieces(self, result: Result) -> Iterator[bytes]:
        piece, self._ahead = self._ahead, None
        try:
            while piece is not None:
                result.count(piece)
                yield piece.bytes()
                piece = next(self._stream, None)
        except RuntimeError as error:
            self._stream = None
            raise from_engine(error) from error
        self._stream = None

    def close(self) -> None:
        """End the query if it still runs: killed by tag, then read until it says so.

        Never by the stream's own cancel(): it crashes the engine when a KILL QUERY arrives at the same time.
        """
        stream, self._stream = self._stream, None
        if stream is not None:
            self._engine.cancel(self._tag)
            with suppress(RuntimeError):
                while next(stream, None) is not None:
                    pass
        self._handle.close()


def _one_arrow_stream(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join pieces that are each a whole Arrow stream into one: the schema once, all batches, one end."""
    sink = _Collector()
    writer: pa.RecordBatchStreamWriter | None = None
    for piece in pieces:
        with pa.ipc.open_stream(piece) as reader:
            if writer is None:
                writer = pa.ipc.new_stream(sink, reader.schema)
            for batch in reader:
                writer.write_batch(batch)
        yield sink.taken()
    if writer is not None:
        writer.close()
        yield sink.taken()


class _Collector:
    """A file that Arrow writes to and from which the bytes so far are taken."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])

"""The HTTP front: `python -m rollcall.stack.clickhouse.front PORT SCOPED_PORT FOLDER CONFIG`.

Serves an unchanged `clickhouse_connect.get_client(host=..., port=...)`, curl and other HTTP clients of ClickHouse.
Scoped users have a port of their own, where nobody else is let in: `default` has no password, so a user who could reach
the first port would not need another's name.

A thread for each connection: no hop between threads for a small query, and the engine lets go of Python's lock.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

from rollcall.stack.clickhouse.bodies import Compressor, body_chunks, compressor_for, decompressed, memory_file
from rollcall.stack.clickhouse.engine import Engine, Result, Statement
from rollcall.stack.clickhouse.errors import QueryError
from rollcall.stack.clickhouse.members import FILE, Member
from rollcall.stack.clickhouse.request import READING, InsertHead, Request, insert_head, multipart_fields
from rollcall.stack.clickhouse.sessions import Sessions
from rollcall.stack.clickhouse.users import admit, authenticate, hold_to
from rollcall.stack.clickhouse.watcher import Watcher
from rollcall.stack.home import HOST

__all__ = ["Front", "serve"]

#: Statements at once; more wait. Each may use both cores, so more would only grow memory.
MAX_STATEMENTS = 16
#: Statements of the user `analyst` at once; theirs wait among themselves, and for no place that others need.
ANALYSTS_AT_ONCE = 1
#: A statement (not the data of an insert) above this (bytes) is refused.
MAX_STATEMENT = 256 * 1024 * 1024
#: With wait_end_of_query a result is held back until it is complete, up to this size (bytes); then it is sent.
MAX_HELD_BACK = 64 * 1024 * 1024
#: How long a stop waits for running statements, and then again for those it cancelled (s).
DRAIN_S = 5.0
#: Query ids that may go into a log as they are: a client chooses them.
_PLAIN_ID = re.compile(r"[\w./:-]{1,64}")


class Front(ThreadingHTTPServer):
    """Loopback only, a thread for each connection."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, engine: Engine, members: Path | None = None) -> None:
        """`members`: the file of scoped users, and then nobody but those is let in."""
        super().__init__((HOST, port), _Handler)
        self.engine = engine
        self.members = members
        self.slots = threading.BoundedSemaphore(MAX_STATEMENTS)
        self.analysts = threading.BoundedSemaphore(ANALYSTS_AT_ONCE)
        self.watcher = Watcher(engine)
        self.sessions = Sessions()

    def drained(self, seconds: float) -> bool:
        """Wait until no statement runs; no new one starts after it. False when some still ran in the end."""
        deadline = time.monotonic() + seconds
        taken = sum(self.slots.acquire(timeout=max(0.0, deadline - time.monotonic())) for _ in range(MAX_STATEMENTS))
        if 0 < taken < MAX_STATEMENTS:
            self.slots.release(taken)
        return taken == MAX_STATEMENTS

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to write down; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    server: Front
    query_id = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing for each request."""

    def do_GET(self) -> None:
        if self.path.split("?")[0] in ("/ping", "/replicas_status"):
            self._send(200, b"Ok.\n", {})
        else:
            self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.query_id = ""
        chunked = (self.headers.get("Transfer-Encoding") or "").lower() == "chunked"
        self._raw = body_chunks(self.rfile, int(self.headers.get("Content-Length") or 0), chunked)
        try:
            request = Request.read(self.command, self.path, self.headers)
            self.query_id = request.query_id
            if self.server.members is None:
                authenticate(request)
                member = None
            else:
                member = admit(request, self.server.members)
            self._answer(request, member)
        except QueryError as error:
            self._refuse(error)

    def _answer(self, request: Request, member: Member | None) -> None:
        statement, head, body = self._read(request)
        statement.database = request.database
        statement.settings = request.settings
        statement.bindings = request.bindings
        statement.before = self.server.sessions.said(request.user, request.session)
        self.server.sessions.refuse_temporary_tables(statement.sql)
        statement = hold_to(request, statement, self.server.engine, member)
        reading = statement.kind in READING
        descriptor = memory_file(body) if head else -1
        try:
            turn = self.server.analysts if request.user == "analyst" else nullcontext()
            with turn, self.server.slots:
                if reading:
                    self.server.watcher.watch(self.connection, statement.tag)
                try:
                    if head:
                        result = self.server.engine.insert(statement, head, descriptor)
                    else:
                        result = self.server.engine.run(statement)
                    try:
                        self.server.sessions.remember(request.user, request.session, statement.sql)
                        self._deliver(request, result)
                    finally:
                        result.close()
                finally:
                    if reading:
                        self.server.watcher.forget(self.connection)
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _read(self, request: Request) -> tuple[Statement, InsertHead | None, Iterator[bytes | memoryview]]:
        """The statement, and for an insert the data that follows it (in the body, or after the statement in it)."""
        encoding = self.headers.get("Content-Encoding") or ""
        body = decompressed(self._raw, encoding)
        content_type = self.headers.get("Content-Type") or ""
        if content_type.startswith("multipart/"):
            request.parameters.update(multipart_fields(content_type, _joined(body)))
            body = iter(())
        sql = request.parameters.get("query", "").encode()
        if sql:
            head = insert_head(sql)
            if head:
                body = chain((sql[head.length :],), body)
            else:
                rest = _joined(body)
                sql = sql + b"\n" + rest if rest else sql
            return Statement(sql, request.default_format), head, body
        start = bytes(next(body, b""))
        head = insert_head(start)
        if head:
            return Statement(start[: head.length], request.default_format), head, chain((start[head.length :],), body)
        sql = start + _joined(body)
        if not sql.strip():
            raise QueryError.of(62, "SYNTAX_ERROR", "The query is empty.")
        return Statement(sql, request.default_format), None, iter(())

    def _deliver(self, request: Request, result: Result) -> None:
        pieces, held = result.pieces, list[bytes]()
        size = 0
        limit = MAX_HELD_BACK if request.wait_for_end else 0
        complete = False
        # One piece more than the first is asked for: most answers are one piece and then need no chunks.
        while len(held) < 2 or size < limit:
            piece = next(pieces, None)
            if piece is None:
                complete = True
                break
            held.append(piece)
            size += len(piece)
        compressor = compressor_for(self.headers.get("Accept-Encoding") or "" if request.compress else "")
        headers = {"X-ClickHouse-Exception-Tag": secrets.token_hex(8)}
        if result.format:
            headers["X-ClickHouse-Format"] = result.format
            headers["Content-Type"] = (
                "text/plain; charset=UTF-8" if result.format != "Native" else "application/octet-stream"
            )
        if compressor.encoding and size:
            headers["Content-Encoding"] = compressor.encoding
        if complete:
            headers["X-ClickHouse-Summary"] = json.dumps({name: str(value) for name, value in result.summary.items()})
            body = b"".join(held)
            self._send(200, compressor.whole(body) if size else b"", headers)
        else:
            self._send_chunks(compressor, chain(held, pieces), headers)

    def _send_chunks(self, compressor: Compressor, pieces: Iterator[bytes], headers: dict[str, str]) -> None:
        self._send_head(200, {**headers, "Transfer-Encoding": "chunked"})
        self._chunk(compressor.start())
        try:
            for piece in pieces:
                self._chunk(compressor.chunk(piece))
        except QueryError as error:
            # The status is gone: the error goes into the body between marks that only this response has.
            self._note(error)
            tag = headers["X-ClickHouse-Exception-Tag"]
            text = error.text + "\n"
            note = f"\r\n__exception__\r\n{tag}\r\n{text}{len(text.encode())} {tag}\r\n__exception__\r\n"
            self._chunk(compressor.chunk(note.encode()))
            self.close_connection = True
        self._chunk(compressor.end())
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n" % len(data))
            self.wfile.write(data)
            self.wfile.write(b"\r\n")

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._send_head(status, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)
        self.wfile.flush()

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        if self.query_id:
            self.send_header("X-ClickHouse-Query-Id", self.query_id)
        self.send_header("X-ClickHouse-Server-Display-Name", "rollcall")
        self.send_header("X-ClickHouse-Timezone", self.server.engine.timezone)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, error: QueryError) -> None:
        self._note(error)
        # A client that still sends would see a reset connection instead of the error.
        for _ in self._raw:
            pass
        text = f"{error.text.rstrip()} (version {self.server.engine.version} (embedded))\n"
        self._send(error.status, text.encode(), {"X-ClickHouse-Exception-Code": str(error.code)})

    def _note(self, error: QueryError) -> None:
        """Write codes only: the text of an error quotes the statement, and a statement may hold a pupil's id."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        query = self.query_id if _PLAIN_ID.fullmatch(self.query_id) else "-"
        sys.stderr.write(f"{now} query {query} failed with code {error.code} ({error.name})\n")
        sys.stderr.flush()


def _joined(body: Iterator[bytes | memoryview]) -> bytes:
    joined = bytearray()
    for chunk in body:
        joined += chunk
        if len(joined) > MAX_STATEMENT:
            raise QueryError.of(
                62, "SYNTAX_ERROR", "The statement is too large; send the data of an insert after FORMAT instead."
            )
    return bytes(joined)


def serve(port: int, scoped_port: int, folder: Path, config: Path) -> None:
    """Serve until SIGTERM, then let running statements end and close the engine."""
    engine = Engine(folder, config)
    front = Front(port, engine)
    scoped = Front(scoped_port, engine, folder.parent / FILE)
    threading.Thread(target=scoped.serve_forever, args=(0.1,), daemon=True).start()

    def end(_signum: int, _frame: FrameType | None) -> None:
        threading.Thread(target=front.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    front.serve_forever(poll_interval=0.1)
    scoped.shutdown()
    for one in (front, scoped):
        one.server_close()
    running = [one for one in (front, scoped) if not one.drained(DRAIN_S)]
    if running:
        engine.cancel_all()
        for one in running:
            one.drained(DRAIN_S)
    engine.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))

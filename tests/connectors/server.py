"""A source over real HTTP for tests: answers what a test wants, with trouble on demand. A make's fake is a subclass."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Answer", "FakeServer"]


class Answer(NamedTuple):
    """What goes out: a status, headers, a body. cut: the connection ends after half of the body. silent: no answer
    comes for so many seconds, and then the connection ends."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b"{}"
    cut: bool = False
    silent: float = 0.0


class FakeServer(ABC):
    """`trouble[path]` is answered first, one after the other; then `refuses` (a status), if it is set; then `answer`.

    `asked` holds (path, query) of every request. A path is what `path_of` makes of it, so that a test can name a
    resource in a few words.
    """

    def __init__(self) -> None:
        self.trouble: dict[str, list[Answer]] = {}
        self.refuses: int | None = None
        self.broken: dict[str, int] = {}
        self._pages: dict[str, list[dict[str, str]]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @abstractmethod
    def answer(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        """What the source says when it is well."""

    def path_of(self, path: str) -> str:
        """The name of a resource, from the path of a URL."""
        return path

    @property
    def origin(self) -> str:
        """http://127.0.0.1:port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def queries(self, path: str) -> list[dict[str, str]]:
        """The queries of every request for a path, in order."""
        return [query for asked, query in self.asked if asked == path]

    def _next(self, path: str, query: dict[str, str], headers: Mapping[str, str]) -> Answer:
        self.asked.append((path, query))
        waiting = self.trouble.get(path)
        if waiting:
            return waiting.pop(0)
        if self.refuses is not None:
            return Answer(self.refuses)
        whole = self.answer(path, query, headers)
        if path not in self.broken:
            return whole
        pages = self._pages.setdefault(path, [])
        if query not in pages:
            pages.append(query)
        half = whole.body[: min(40, len(whole.body) // 2)]
        return whole._replace(body=half) if pages.index(query) == self.broken[path] else whole

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body leave at once: apart, the second waits 40 ms for the first to be heard

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                answer = source._next(source.path_of(address.path), dict(parse_qsl(address.query)), self.headers)
                if answer.silent:
                    threading.Event().wait(answer.silent)
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
                self.close_connection = self.close_connection or answer.cut

            def log_message(self, format: str, *args: object) -> None:
                """Kept in `asked`."""

        return Handler

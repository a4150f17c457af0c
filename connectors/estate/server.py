"""What the estate's servers have in common: HTTP on loopback, trouble on purpose, pages, and what was served.

What was served is remembered per record: the expected outcome of a mark counts only if somebody could see it. Names and
comments in the documents are placeholders whose only use is to prove that they go no further.
"""

from __future__ import annotations

import random
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["NEVER_IN_KAFKA", "Answer", "EstateServer", "Serving"]

#: Status, extra headers, document.
Answer = tuple[int, dict[str, str], Any]
#: Beginnings of the made-up names and comments. A test proves that no message in Kafka holds one.
NEVER_IN_KAFKA = ("Forename-", "Surname-", "Remark-")


class Serving(ABC):
    """One make's way of showing the schools of an estate that are pulled from it.

    `schools`: by their id there. `requests` counts answers by status, where it is asked. `options`: what its connector
    must be told. `token` lets in, where something must. `asked_whole`: only who asks for a whole window learns what is
    gone.
    """

    make: ClassVar[str]
    needs_secret: ClassVar[bool] = True
    asked_whole: ClassVar[bool] = False
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self, estate: Estate, token: str = "") -> None:
        self.estate, self.token = estate, token
        self.requests: dict[int, int] = {}
        self.schools = {school.source_id: school for school in estate.schools if school.pulled_from(self.make)}

    @property
    @abstractmethod
    def base_url(self) -> str:
        """What a client is given."""

    @abstractmethod
    def close(self) -> None:
        """Show nothing more."""


class _Listening(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    #: Of a large estate many hundred come at once; beyond the default of 5 they would be put off for a second each.
    request_queue_size = 1_024

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to write down; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class EstateServer(Serving):
    """The server of one make, in threads of its own.

    `forbidden` and `broken` hold ids of schools that are answered with 403, or 500, for tests of faults.
    """

    def __init__(self, estate: Estate, host: str, port: int, token: str) -> None:
        super().__init__(estate, token)
        self.forbidden: set[str] = set()
        self.broken: set[str] = set()
        self._random = random.Random(f"{estate.seed}/server")
        self._server = _Listening((host, port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name=self.make, daemon=True)
        self._thread.start()

    @abstractmethod
    def answer(self, path: str, query: dict[str, str], authorization: str) -> Answer:
        """What a request is answered. Raises ValueError for a question that makes no sense, naming what is wrong."""

    def credential(self, headers: Mapping[str, str]) -> str:
        """What a request carries to be let in, from its headers, whose names are in small letters."""
        return headers.get("authorization", "")

    def nonsense(self, what: str) -> Answer:
        """How the make answers a question that makes no sense."""
        return 400, {}, {"error": what}

    @property
    def origin(self) -> str:
        """http://host:port."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def trouble(self, school: str | None) -> Answer | None:
        """Trouble instead of an answer: on purpose for this school, or by the estate's rate; None for none."""
        if school in self.forbidden:
            return 403, {}, {"error": "access_revoked", "error_description": "the school has revoked access"}
        if school in self.broken:
            return 500, {}, {"error": "server_error"}
        rate = self.estate.dirt.server_errors
        draw = self.draw()
        if draw >= rate:
            return None
        if draw < rate / 2:
            return 429, {"Retry-After": "1"}, {"error": "too_many_requests"}
        return 500, {}, {"error": "server_error"}

    def draw(self) -> float:
        """A number of chance in [0, 1), from the estate's seed."""
        with self.estate.lock:
            return self._random.random()

    def cut(
        self, items: Sequence[Any], after: Any | None, size: int, rank: Callable[[Any], Any] | None = None
    ) -> tuple[list[Any], Any | None]:
        """The page behind rank `after` (None: the first), and the rank of its last item if more follow.

        rank: of an item, growing along `items`; their places by default. So that deletions skip nothing, a client's
        place is the last item it was given. A page may begin with the last item of the page before (`page_repeats`).
        The estate's lock must be held where records are cut.
        """
        ranks: Sequence[Any] = range(len(items)) if rank is None else [rank(item) for item in items]
        at = 0 if after is None else next((place for place, one in enumerate(ranks) if one > after), len(items))
        page = list(items[at : at + size])
        last = ranks[at + size - 1] if at + size < len(items) else None
        if after is not None and at > 0 and self._random.random() < self.estate.dirt.page_repeats:
            page = [items[at - 1], *page]
        return page, last

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body leave at once: apart, the second waits 40 ms for the first to be heard

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(address.query).items()}
                authorization = server.credential({name.lower(): said for name, said in self.headers.items()})
                try:
                    status, headers, document = server.answer(address.path, query, authorization)
                except ValueError as error:
                    status, headers, document = server.nonsense(str(error))
                with server.estate.lock:
                    server.requests[status] = server.requests.get(status, 0) + 1
                body = orjson.dumps(document)
                self._send(status, headers, body)

            def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are counted, not printed."""

        return Handler

"""Ends reading statements whose client is gone, as a server does."""

from __future__ import annotations

import select
import socket
import threading

from rollcall.stack.clickhouse.engine import Engine
from rollcall.stack.clickhouse.errors import QueryError

__all__ = ["Watcher"]

#: How often a statement is cancelled again (s): a KILL that comes before the statement has begun finds nothing.
AGAIN_S = 0.1


class Watcher:
    """Watches the connections of running statements for the end of their client. Safe for threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._poll = select.epoll()
        self._lock = threading.Lock()
        self._tags: dict[int, str] = {}
        self._orphans: set[str] = set()
        threading.Thread(target=self._watch, name="watcher", daemon=True).start()

    def watch(self, connection: socket.socket, tag: str) -> None:
        """From now until `forget`: when the connection's client goes, the statement with this tag is cancelled."""
        with self._lock:
            self._tags[connection.fileno()] = tag
            self._poll.register(connection.fileno(), select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLONESHOT)

    def forget(self, connection: socket.socket) -> None:
        """The statement of this connection has ended."""
        with self._lock:
            tag = self._tags.pop(connection.fileno(), None)
            if tag is not None:
                self._orphans.discard(tag)
                self._poll.unregister(connection.fileno())

    def _watch(self) -> None:
        while True:
            events = self._poll.poll(AGAIN_S if self._orphans else None)
            with self._lock:
                self._orphans.update(self._tags[descriptor] for descriptor, _ in events if descriptor in self._tags)
                orphans = tuple(self._orphans)
            for tag in orphans:
                try:
                    self._engine.cancel(tag)
                except QueryError:
                    # The engine is closing: with it every statement ends.
                    return

"""A door before a server: shut, nobody is let in; open, everything passes. For tests of a server that is away."""

from __future__ import annotations

import contextlib
import socket
import threading

__all__ = ["Door"]


class Door:
    """A port on loopback that leads to another one while it is open."""

    def __init__(self, host: str, port: int) -> None:
        """Shut at first. ``host``, ``port``: where it leads."""
        self._to = (host, port)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            #: Where it stands; nobody answers there while it is shut.
            self.port: int = free.getsockname()[1]
        self._listening: socket.socket | None = None
        self._through: list[socket.socket] = []

    def open(self) -> None:
        """Let in whoever comes from now on."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._admit, args=(self._listening,), daemon=True).start()

    def shut(self) -> None:
        """Cut off who is inside, and answer nobody."""
        if self._listening is not None:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        for one in self._through:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._through.clear()

    def _admit(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                outside, _ = listening.accept()
                inside = socket.create_connection(self._to)
                self._through += [outside, inside]
                for here, there in ((outside, inside), (inside, outside)):
                    threading.Thread(target=self._pass_on, args=(here, there), daemon=True).start()

    def _pass_on(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := here.recv(65_536):
                there.sendall(said)
            there.shutdown(socket.SHUT_WR)

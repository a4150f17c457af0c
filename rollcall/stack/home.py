"""The folder of one embedded stack: what lies where, the state file, the ports it keeps, the lock on starting."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollcall.errors import StackError

__all__ = ["HOST", "Home", "free_port", "port_is_free", "write_atomically"]

#: The embedded stack never listens on anything a neighbour could reach.
HOST = "127.0.0.1"


class Home:
    """Paths and small files below one stack's folder (`.rollcall` by default)."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.state_file = self.root / "stack.json"
        self.ports_file = self.root / "ports.json"
        self.logs = self.root / "logs"

    def folder(self, *parts: str) -> Path:
        """A folder below home, made if it is not there (only for its owner: it will hold pupil data)."""
        path = self.root.joinpath(*parts)
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StackError(f"Cannot make the folder {path}: {error.strerror}. Choose another with --home.") from error
        return path

    def read_state(self) -> dict[str, Any]:
        """The content of stack.json, or {} when nothing was started here."""
        return _read_json(self.state_file)

    def write_state(self, state: dict[str, Any]) -> None:
        write_atomically(self.state_file, json.dumps(state, indent=2) + "\n")

    def ports(self, names: tuple[str, ...]) -> dict[str, int]:
        """One port for each name: the ones used last time, new free ones for names without."""
        kept = {name: port for name, port in _read_json(self.ports_file).items() if name in names}
        missing = [name for name in names if name not in kept]
        kept.update(zip(missing, _free_ports(len(missing), taken=set(kept.values())), strict=True))
        if missing:
            self.write_ports(kept)
        return kept

    def write_ports(self, ports: dict[str, int]) -> None:
        write_atomically(self.ports_file, json.dumps(ports) + "\n")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder while starting or stopping, so that two commands do not start everything twice."""
        self.folder()
        with (self.root / "stack.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a start after kill -9, sees the old or the new content and never half."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StackError(f"Cannot write {path}: {error.strerror}. Make room or choose another folder.") from error


def port_is_free(port: int) -> bool:
    """Whether something may listen on the port now (SO_REUSEADDR as the services do: TIME_WAIT does not count)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """One free port of this machine at this moment."""
    return _free_ports(1, taken=set())[0]


def _free_ports(count: int, taken: set[int]) -> list[int]:
    """Distinct free ports: all sockets stay open until all ports are known."""
    sockets: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < count:
            probe = socket.socket()
            sockets.append(probe)
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
            if port not in taken:
                ports.append(port)
    finally:
        for probe in sockets:
            probe.close()
    return ports


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StackError(
            f"Cannot read {path} ({error}). Delete that file and start again; no data is in it."
        ) from error
    if not isinstance(content, dict):
        raise StackError(f"{path} is not what the stack wrote. Delete that file and start again; no data is in it.")
    return content

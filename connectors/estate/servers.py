"""All servers of an estate: one for each make that its schools are pulled from."""

from __future__ import annotations

from collections import Counter, UserDict
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.estate.arbor_server import ArborServer
from connectors.estate.bromcom_server import BromcomServer
from connectors.estate.csvdrop_folder import CsvDropFolder
from connectors.estate.makes import MAKES
from connectors.estate.odata_server import ODataServer
from connectors.estate.server import EstateServer, Serving
from connectors.estate.wonde_server import WondeServer

if TYPE_CHECKING:
    from connectors.estate.estate import Estate

__all__ = ["SERVERS", "Servers"]

#: The server of each make.
SERVERS: dict[str, type[EstateServer]] = {
    server.make: server for server in (WondeServer, ODataServer, ArborServer, BromcomServer)
}


class Servers(UserDict[str, Serving]):
    """What serves, by make. With a port, the first server has it, the others those that follow. folder: of files."""

    def __init__(self, estate: Estate, host: str, port: int, token: str, folder: Path) -> None:
        super().__init__()
        used = [make for make in MAKES if any(school.pulled_from(make) for school in estate.schools)]
        try:
            for place, make in enumerate(make for make in used if make in SERVERS):
                self[make] = SERVERS[make](estate, host, port + place if port else 0, token)
            if CsvDropFolder.make in used:
                self[CsvDropFolder.make] = CsvDropFolder(estate, folder)
        except OSError:
            self.close()
            raise

    @property
    def wonde(self) -> WondeServer:
        """The server of the schools that are pulled through Wonde. Raises KeyError when there are none."""
        server = self["wonde"]
        assert isinstance(server, WondeServer)
        return server

    @property
    def waiting(self) -> int:
        """How many dropped files wait to be taken."""
        return sum(one.waiting() for one in self.values() if isinstance(one, CsvDropFolder))

    @property
    def requests(self) -> dict[int, int]:
        """Answers of all of them, by status."""
        counted: Counter[int] = Counter()
        for server in self.values():
            counted.update(server.requests)
        return dict(counted)

    def close(self) -> None:
        """Stop answering and free the ports."""
        for server in self.values():
            server.close()

"""An export that dies by SIGKILL in the middle of its n-th file. Run by test_exporting.py with a folder and n."""

from __future__ import annotations

import os
import signal
import sys
from datetime import date
from pathlib import Path
from typing import Any

from rollcall.settings import Settings
from sinks.clickhouse import connect
from sinks.exporting import WHATS, Export


class Mortal:
    """A client that kills its process when the n-th file has been read half."""

    def __init__(self, client: Any, nth: int) -> None:
        self._client, self._left = client, nth

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def raw_stream(self, *args: Any, **kwargs: Any) -> Any:
        stream = self._client.raw_stream(*args, **kwargs)
        self._left -= 1
        if self._left == 0:
            read, given = stream.read, []

            def half(size: int) -> bytes:
                if given:
                    os.kill(os.getpid(), signal.SIGKILL)
                given.append(read(64))
                return bytes(given[0])

            stream.read = half
        return stream


if __name__ == "__main__":
    settings = Settings.load().clickhouse
    mortal: Any = Mortal(connect(settings), int(sys.argv[2]))
    for _ in Export(Path(sys.argv[1]), settings.database, date(1970, 1, 1), date(2149, 6, 6), WHATS).run(mortal):
        pass

"""A loader that dies by SIGKILL before it writes a table: run by test_loader.py, `killed_loader.py <group> <table>`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from rollcall.settings import Settings
from sinks.clickhouse import connect
from streams.reference import Loader


class Mortal:
    """A client that kills its process before the first insert into one table."""

    def __init__(self, client: Any, fatal: str) -> None:
        self._client, self._fatal = client, fatal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def insert_arrow(self, table: str, *args: Any, **kwargs: Any) -> Any:
        if table == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._client.insert_arrow(table, *args, **kwargs)


if __name__ == "__main__":
    settings = Settings.load()
    mortal: Any = Mortal(connect(settings.clickhouse), sys.argv[2])
    Loader(settings, mortal, group=sys.argv[1]).run(once=True)

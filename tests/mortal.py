"""A client of ClickHouse that dies in the middle, for commands that must be finished by being run again."""

from __future__ import annotations

from typing import Any

__all__ = ["Killed", "Mortal"]


class Killed(Exception):  # noqa: N818 - it is no error of ours
    """A run went no further."""


class Mortal:
    """Dies after so many statements that change something."""

    def __init__(self, client: Any, statements: int) -> None:
        self._client, self._left = client, statements
        self.query, self.insert = client.query, client.insert

    def command(self, *said: Any, **options: Any) -> Any:
        if not self._left:
            raise Killed
        self._left -= 1
        return self._client.command(*said, **options)

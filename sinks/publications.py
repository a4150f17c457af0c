"""The one sequence of publications: code maps, categories, rules between sources, aliases and rules for lessons count
in it.

A derived row carries the greatest number it has seen, whichever kind it is of, so that what was derived before any of
them is known by it, and gives way; of categories it sees nothing, they are applied when reading. A number once given to
a message is its number for ever: the rows that a killed loader left behind say it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client

from sinks.statements import load

__all__ = ["DERIVED", "NUMBERED", "Numbers"]

#: Kinds of reference data that take a number.
NUMBERED = frozenset({"code-map", "code-category", "source-rule", "pupil-alias", "lesson-rule"})
#: Those of them that say which mark counts, and as which code: current marks are derived again.
DERIVED = NUMBERED - {"code-category"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Numbers:
    """Gives numbers for one batch of messages. One process gives them at a time (sinks/reference.py)."""

    def __init__(self, client: Client) -> None:
        self._given: dict[tuple[str, str, int], int] = {}
        self._greatest = 0
        for kind, key, published_ms, first, last in client.query(load("publications")).result_rows:
            self._given[str(kind), str(key), int(published_ms)] = int(first)
            self._greatest = max(self._greatest, int(last))

    def next(self) -> int:
        """The next number, beyond every one that was given."""
        self._greatest += 1
        return self._greatest

    def give(self, kind: str, key: str, published_at: datetime, record: Mapping[str, Any]) -> int:
        """The number of a message; 0 for kinds that take none.

        The version that a code map says is kept where it is beyond all others, so that the two are mostly the same. A
        map that is older than its scheme's keeps it too: it comes in force no more.
        """
        if kind not in NUMBERED:
            return 0
        published_ms = (published_at - _EPOCH) // _MILLISECOND
        if (number := self._given.get((kind, key, published_ms))) is None:
            later = [n for (k, name, ms), n in self._given.items() if (k, name) == (kind, key) and ms > published_ms]
            said = int(record.get("version", 0))
            if kind == "code-map" and later:
                number = min(said, min(later) - 1)
            else:
                number = max(said, self._greatest + 1)
            self._given[kind, key, published_ms] = number
            self._greatest = max(self._greatest, number)
        return number

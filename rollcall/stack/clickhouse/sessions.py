"""What HTTP sessions have SET: kept as text and said again on the fresh handle of each statement."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict

from rollcall.stack.clickhouse.errors import QueryError
from rollcall.stack.clickhouse.request import statement_kind

__all__ = ["Sessions"]

#: clickhouse_connect makes a session for every client, and few ever SET anything.
MAX_SESSIONS = 1000
MAX_STATEMENTS = 100
_TEMPORARY = re.compile(rb"\s*CREATE\s+(?:OR\s+REPLACE\s+)?TEMPORARY\b", re.I)


class Sessions:
    """SET and USE statements by session; the session unused for longest is forgotten first. Safe for threads."""

    def __init__(self) -> None:
        self._said: OrderedDict[tuple[str, str], tuple[str, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def said(self, user: str, session: str | None) -> tuple[str, ...]:
        """What to say again before the session's next statement."""
        if session is None:
            return ()
        with self._lock:
            if (user, session) not in self._said:
                return ()
            self._said.move_to_end((user, session))
            return self._said[user, session]

    def remember(self, user: str, session: str | None, sql: bytes) -> None:
        """Keep a statement that went well, if it changes the session."""
        if session is None or statement_kind(sql) not in ("SET", "USE"):
            return
        with self._lock:
            said = (*self._said.get((user, session), ()), sql.decode(errors="replace"))
            self._said[user, session] = said[-MAX_STATEMENTS:]
            self._said.move_to_end((user, session))
            while len(self._said) > MAX_SESSIONS:
                self._said.popitem(last=False)

    @staticmethod
    def refuse_temporary_tables(sql: bytes) -> None:
        """A temporary table would be gone with the statement's handle: better refused than silently empty."""
        if _TEMPORARY.match(sql):
            raise QueryError.of(48, "NOT_IMPLEMENTED", "Temporary tables are not served here; create a Memory table.")

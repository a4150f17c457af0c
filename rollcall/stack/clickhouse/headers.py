"""What the columns of an answer without rows are: asked of the engine once, and again when a table or view changed.

chDB streams nothing where there are no rows, and a client wants the columns all the same. To ask for them plans the
statement a second time, which of a deep view is most of what the statement costs (docs/performance.md).
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from rollcall.stack.clickhouse.request import READING, statement_kind

__all__ = ["Headers"]

#: The statement asked for least recently is forgotten first.
MAX_HEADERS = 500
#: Kinds after which every statement still has the columns it had. Any other may have changed a table or view.
_HARMLESS = READING | {"INSERT", "TRUNCATE", "OPTIMIZE", "DELETE", "SET", "USE", "KILL"}
#: Table functions whose columns are found in what they read.
_INFERRED = re.compile(
    rb"\b(?:file|url|s3|remote|mysql|postgresql|sqlite|python|hdfs|azure|gcs|iceberg|delta)\w*\s*\(", re.I
)


class Headers:
    """Headers by all that decides them. Safe for threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, bytes] = OrderedDict()
        self._changes = 0
        self._lock = threading.Lock()

    def of(self, sql: bytes, conditions: Hashable, described: Callable[[], bytes]) -> bytes:
        """The header of the statement `sql` under `conditions`: its database, settings, bindings and format."""
        key = sql, conditions
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
            changes = self._changes
        header = described()
        with self._lock:
            # What changed meanwhile may have changed these columns as well.
            if changes == self._changes and not _INFERRED.search(sql):
                self._known[key] = header
                while len(self._known) > MAX_HEADERS:
                    self._known.popitem(last=False)
        return header

    def ran(self, sql: bytes) -> None:
        """A statement ran, well or not: forget everything if it may have changed a table or view."""
        if statement_kind(sql) not in _HARMLESS:
            with self._lock:
                self._changes += 1
                self._known.clear()

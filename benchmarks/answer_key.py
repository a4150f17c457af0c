"""The answer key: what the tables must hold, computed from the generator's own columns, never from the tables.

A table is compared in bulk: number of rows, XOR and sum (mod 2^64) of a hash of each row's key and content. The same
hash is written twice, here and in benchmarks/sql/check_*.sql.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client

from benchmarks.encoding import CODES
from benchmarks.nation import SESSION_DATE, Nation, int_hash64

__all__ = ["Counts", "Key", "Marks", "differences", "load_sql"]

U64 = npt.NDArray[np.uint64]
_ASCII = np.frombuffer(CODES, np.uint8)


@dataclass(slots=True)
class Marks:
    """Marks as columns: pupil number, session (1 AM, 2 PM), index into CODES, minutes late (-1 none), asserted (ms)."""

    pupil: npt.NDArray[Any]
    session: npt.NDArray[Any]
    code: npt.NDArray[Any]
    late: npt.NDArray[Any]
    asserted: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.pupil)

    def where(self, chosen: npt.NDArray[Any]) -> Marks:
        """The marks that a mask or an index chooses."""
        return Marks(
            self.pupil[chosen], self.session[chosen], self.code[chosen], self.late[chosen], self.asserted[chosen]
        )


class Sum(NamedTuple):
    """A table in three numbers: rows, XOR and sum of the rows' hashes."""

    rows: int
    xor: int
    sum: int


class Counts(NamedTuple):
    """What the receipts must add up to."""

    messages: int
    marks: int
    accepted: int
    unchanged: int
    quarantined: int = 0


@dataclass(slots=True)
class Key:
    """The answer key of one load. ``history``: what must stand in mark_event; ``current``: the marks that count."""

    history: Marks
    current: Marks
    counts: Counts

    def expected(self, *, timed: bool = True) -> dict[str, Any]:
        """Table -> what its check must give."""
        return {
            "mark_event": _sum(_mark_hashes(self.history, with_time=timed)),
            "mark_current": _sum(_mark_hashes(self.current, with_time=False)),
            "school_session": _sum(_count_hashes(self.current)),
            "register_receipt": self.counts,
        }


def load_sql(name: str) -> str:
    """The text of benchmarks/sql/<name>.sql."""
    return (files("benchmarks") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def differences(client: Client, key: Key, *, receipts: bool = True, timed: bool = True) -> list[str]:
    """What differs between the tables and the key, a line each; empty when they are equal.

    ``receipts``: False for a pipeline that writes no receipts. ``timed``: False where only the pull knows when a mark
    was asserted.
    """
    found = []
    for table, wanted in key.expected(timed=timed).items():
        if table == "register_receipt" and not receipts:
            continue
        check = "mark_event_untimed" if table == "mark_event" and not timed else table
        row = client.query(load_sql(f"check_{check}"), parameters={"day": SESSION_DATE.isoformat()}).result_rows[0]
        if table == "register_receipt":
            got: Any = Counts(*(int(v) for v in row))
        else:
            *sums, odd = row
            got = Sum(*(int(v) for v in sums))
            if odd:
                found.append(f"{table}: {odd} rows with a finding, a wrong map or scope")
        if got != wanted:
            found.append(f"{table}: {got}, should be {wanted}")
    return found


def _mark_hashes(marks: Marks, *, with_time: bool) -> U64:
    pack = (
        (Nation.urns(marks.pupil) << np.uint64(32))
        + (marks.session.astype(np.uint64) << np.uint64(24))
        + ((marks.late.astype(np.int64) + 1).astype(np.uint64) << np.uint64(8))
        + _ASCII[marks.code].astype(np.uint64)
    )
    inner = np.asarray(int_hash64(pack))
    if with_time:
        inner = np.asarray(int_hash64(inner ^ marks.asserted.astype(np.uint64)))
    return np.asarray(int_hash64(Nation.pupil_ids(marks.pupil) ^ inner))


def _count_hashes(marks: Marks) -> U64:
    pack = (
        (Nation.urns(marks.pupil) << np.uint64(32))
        + (marks.session.astype(np.uint64) << np.uint64(24))
        + (Nation.year_groups(marks.pupil) << np.uint64(8))
        + _ASCII[marks.code].astype(np.uint64)
    )
    keys, counts = np.unique(pack, return_counts=True)
    return np.asarray(int_hash64(np.asarray(int_hash64(keys)) ^ counts.astype(np.uint64)))


def _sum(hashes: U64) -> Sum:
    if not len(hashes):
        return Sum(0, 0, 0)
    return Sum(len(hashes), int(np.bitwise_xor.reduce(hashes)), int(hashes.sum(dtype=np.uint64)))

"""Messages at the speed a benchmark needs: whole columns of registers and pages to framed Avro, compiled.

The bytes are those of schema version 1 of attendance.register.v1 and attendance.mis.v1; tests/benchmarks decodes them
with fastavro and compares.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
import numpy.typing as npt

from benchmarks.nation import DAY, GROUP_SIZE, PUPILS, put_ref
from schemas.wire import HEADER

__all__ = ["CODES", "PAGE_PUPILS", "Encoded", "pages", "registers"]

#: The codes of benchmark marks, each one character; an index into this is a mark's code. In PM '\\' is used for '/'.
CODES = b"/\\LINVMC"
#: Pupils of a page: both sessions of 250 pupils are 500 marks.
PAGE_PUPILS = 250

_CODE_BYTES = np.frombuffer(CODES, np.uint8)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_SOURCE, _GROUP, _SCHEME = (np.frombuffer(text, np.uint8) for text in (b"classroom", b"G00", b"national"))
_WONDE = np.frombuffer(b"wonde", np.uint8)


class Encoded(NamedTuple):
    """Messages one after the other: message i is ``data[offsets[i]:offsets[i + 1]]``, framed."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]


@nb.njit(inline="always")
def _long(out: Any, at: int, n: int) -> int:
    z = np.uint64((np.int64(n) << 1) ^ (np.int64(n) >> 63))
    while z > np.uint64(127):
        out[at] = np.uint8((z & np.uint64(127)) | np.uint64(128))
        at += 1
        z = z >> np.uint64(7)
    out[at] = np.uint8(z)
    return at + 1


@nb.njit(inline="always")
def _text(out: Any, at: int, text: Any) -> int:
    at = _long(out, at, len(text))
    out[at : at + len(text)] = text
    return at + len(text)


@nb.njit(inline="always")
def _frame(out: Any, at: int, schema_id: int) -> int:
    out[at] = 0
    for k in range(4):
        out[at + 1 + k] = np.uint8((schema_id >> (8 * (3 - k))) & 255)
    return at + 5


@nb.njit(inline="always")
def _uuid(out: Any, at: int, number: int) -> int:
    """A UUID in text whose last twelve digits are ``number``."""
    at = _long(out, at, 36)
    for k in range(36):
        out[at + k] = 48
    for k in (8, 13, 18, 23):
        out[at + k] = 45
    for k in range(12):
        out[at + 35 - k] = _HEX[(number >> (4 * k)) & 15]
    return at + 36


@nb.njit(inline="always")
def _late(out: Any, at: int, minutes: int) -> int:
    if minutes < 0:
        return _long(out, at, 0)
    return _long(out, _long(out, at, 1), minutes)


@nb.njit(cache=True)
def _registers(
    number: Any,
    school: Any,
    group: Any,
    session: Any,
    submitted: Any,
    codes: Any,
    late: Any,
    schema_id: int,
    width: int,
    scheme: Any,
    out: Any,
    offsets: Any,
) -> None:
    at = 0
    for m in range(len(school)):
        offsets[m] = at
        at = _frame(out, at, schema_id)
        at = _uuid(out, at, number[m])
        at = _long(out, at, 100_000 + school[m])
        at = _text(out, at, _SOURCE)
        at = _text(out, at, _GROUP)
        out[at - 1] = 48 + group[m]
        at = _long(out, at, DAY)
        at = _long(out, at, session[m] - 1)
        at = _long(out, at, 0)  # period: null
        out[at] = 1  # complete
        at = _long(out, at + 1, 1)  # revision
        at = _long(out, _long(out, at, 1), submitted[m] - 60_000)  # opened_at
        at = _long(out, at, 0)  # closed_at: null
        at = _long(out, at, submitted[m])
        at = _long(out, at, 0)  # taken_by: null
        at = _text(out, at, _SCHEME)
        at = _long(out, at, GROUP_SIZE)
        first = school[m] * PUPILS + group[m] * GROUP_SIZE
        for i in range(GROUP_SIZE):
            at = put_ref(out, _long(out, at, width), first + i, width)
            at = _text(out, at, scheme)
            at = _long(out, at, 1)
            out[at] = _CODE_BYTES[codes[m, i]]
            at = _late(out, at + 1, late[m, i])
        at = _long(out, at, 0)
        at = _long(out, at, 0)  # amendments: none
    offsets[len(school)] = at


@nb.njit(cache=True)
def _pages(
    school: Any,
    codes: Any,
    modified: Any,
    pull: int,
    taken_at: int,
    schema_id: int,
    width: int,
    scheme: Any,
    out: Any,
    offsets: Any,
) -> None:
    at = 0
    for m in range(len(school)):
        s = school[m]
        offsets[m] = at
        at = _frame(out, at, schema_id)
        at = _uuid(out, at, pull)
        at = _long(out, at, 0)  # snapshot: null
        at = _long(out, at, 100_000 + s)
        at = _text(out, at, _WONDE)
        out[at] = 1  # complete
        at = _long(out, _long(out, at + 1, 1), DAY)
        at = _long(out, _long(out, at, 1), DAY)
        at = _long(out, at, 0)  # page
        out[at] = 1  # last page
        at = _long(out, at + 1, taken_at)
        at = _text(out, at, _SCHEME)
        at = _long(out, at, 2 * PAGE_PUPILS)
        for i in range(2 * PAGE_PUPILS):
            record = s * 2 * PUPILS + i
            at = _long(out, at, 12)
            for k in range(12):
                out[at + 11 - k] = _HEX[(record >> (4 * k)) & 15]
            out[at] = 65  # A..., as Wonde's ids begin
            at += 12
            at = put_ref(out, _long(out, at, width), s * PUPILS + i // 2, width)
            at = _text(out, at, scheme)
            at = _long(out, at, DAY)
            at = _long(out, at, 2)
            out[at], out[at + 1] = 65 if i % 2 == 0 else 80, 77
            at = _long(out, at + 2, 0)  # period: null
            at = _long(out, at, 1)
            out[at] = _CODE_BYTES[codes[s, i]]
            at = _long(out, at + 1, 0)  # minutes_late: null
            at = _long(out, _long(out, at, 1), modified[s, i])
        at = _long(out, at, 0)
        at = _long(out, at, 0)  # deletions: none
    offsets[len(school)] = at


def registers(
    number: npt.NDArray[Any],
    school: npt.NDArray[Any],
    group: npt.NDArray[Any],
    session: npt.NDArray[Any],
    submitted: npt.NDArray[Any],
    codes: npt.NDArray[Any],
    late: npt.NDArray[Any],
    *,
    schema_id: int,
    scheme: str,
    width: int,
) -> Encoded:
    """Complete registers of one group each, framed for ``schema_id``.

    A row a register: its ``number`` (in submission_id), school, group, session (1 AM, 2 PM), submitted_at in ms;
    ``codes`` (index into CODES) and ``late`` (minutes, -1 for none) have a column for each of the 30 pupils.
    """
    out = np.empty(len(school) * (160 + GROUP_SIZE * (width + len(scheme) + 10)), np.uint8)
    offsets = np.empty(len(school) + 1, np.int64)
    _registers(
        number,
        school,
        group,
        session,
        submitted,
        codes,
        late,
        schema_id,
        width,
        np.frombuffer(scheme.encode(), np.uint8),
        out,
        offsets,
    )
    return Encoded(out, offsets)


def pages(
    school: npt.NDArray[Any],
    codes: npt.NDArray[Any],
    modified: npt.NDArray[Any],
    *,
    pull: int,
    taken_at: int,
    schema_id: int,
    scheme: str,
    width: int,
) -> Encoded:
    """One complete page a school, of 500 marks: AM and PM of its first 250 pupils in turn.

    ``codes`` and ``modified`` (ms) have a row for every school and 500 columns; ``pull`` is the number in pull_id.
    """
    out = np.empty(len(school) * (160 + HEADER + 2 * PAGE_PUPILS * (width + len(scheme) + 40)), np.uint8)
    offsets = np.empty(len(school) + 1, np.int64)
    _pages(
        school,
        codes,
        modified,
        pull,
        taken_at,
        schema_id,
        width,
        np.frombuffer(scheme.encode(), np.uint8),
        out,
        offsets,
    )
    return Encoded(out, offsets)

"""The inner loops of the worker: hashing, look-up and suppression over whole columns, compiled by numba.

Every hash here is part of the stored contract: ``event_id``, ``content`` and the assertion keys of
``register_receipt.unchanged_keys`` must come out the same in every release, or a replay would look like news.
All arrays are one-dimensional and of equal length unless a docstring says otherwise.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

__all__ = [
    "ACCEPTED",
    "CONTRADICTS",
    "SUPERSEDED",
    "UNCHANGED",
    "assertion_keys",
    "content_hashes",
    "fill",
    "find",
    "hash_strings",
    "hash_text",
    "item_positions",
    "leave_out_known",
    "mix_columns",
    "probe_size",
    "pupil_places",
    "pupil_session_keys",
    "reasserted",
    "regrow",
    "remember",
    "repeats_within",
    "suppress",
]

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

#: Verdicts of `suppress` and `repeats_within`, one byte a mark.
ACCEPTED, UNCHANGED, SUPERSEDED, CONTRADICTS = 0, 1, 2, 3

#: Bits of a version below its milliseconds.
_MS = np.uint64(20)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)


@nb.njit(inline="always")
def _mix(z: Any) -> Any:
    """splitmix64's finaliser (Steele, Lea and Flood, 2014): a bijection of 64 bits that spreads every bit."""
    z = np.uint64(z) + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _M1
    z = (z ^ (z >> np.uint64(27))) * _M2
    return z ^ (z >> np.uint64(31))


@nb.njit(cache=True, nogil=True)
def _hash_bytes(offsets: Any, data: Any, out: Any) -> None:
    """Hash each string data[offsets[i]:offsets[i+1]], eight bytes at a time, its length first."""
    for i in range(len(offsets) - 1):
        j, end = offsets[i], offsets[i + 1]
        h = _mix(np.uint64(end - j))
        while j + 8 <= end:
            word = np.uint64(0)
            for k in range(8):
                word |= np.uint64(data[j + k]) << np.uint64(8 * k)
            h = _mix(h ^ word)
            j += 8
        if j < end:
            word, shift = np.uint64(0), np.uint64(0)
            while j < end:
                word |= np.uint64(data[j]) << shift
                shift += np.uint64(8)
                j += 1
            h = _mix(h ^ word)
        out[i] = h


def hash_strings(strings: pl.Series | pa.Array | pa.ChunkedArray) -> U64:
    """A stable 64-bit hash of each string (or bytes) of a column; null hashes as the empty string."""
    if isinstance(strings, pl.Series):
        column: Any = strings.cast(pl.String).fill_null("").to_arrow(compat_level=pl.CompatLevel.oldest())
    else:
        column = strings.combine_chunks() if isinstance(strings, pa.ChunkedArray) else strings
        column = column.cast(pa.large_binary() if pa.types.is_binary(column.type) else pa.large_string())
    out = np.empty(len(column), np.uint64)
    if len(column):
        _, offsets, data = column.buffers()
        bounds = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
        _hash_bytes(
            bounds, np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8), out
        )
    return out


def hash_text(text: str) -> int:
    """The hash `hash_strings` gives one string."""
    return int(hash_strings(pl.Series([text]))[0])


@nb.njit(cache=True, nogil=True)
def mix_columns(a: Any, b: Any) -> Any:
    """Hash of each pair (a[i], b[i])."""
    out = np.empty(len(a), np.uint64)
    for i in range(len(a)):
        out[i] = _mix(np.uint64(a[i]) ^ _mix(b[i]))
    return out


@nb.njit(cache=True, nogil=True)
def event_ids(topic: Any, partition: Any, offset: Any, item: Any) -> Any:
    """Delivery identity: hash of (topic id, partition, offset, item) (design 8). ``topic``: its UUID hashed."""
    out = np.empty(len(topic), np.uint64)
    for i in range(len(topic)):
        h = _mix(np.uint64(topic[i]) ^ np.uint64(partition[i]))
        out[i] = _mix(_mix(h ^ np.uint64(offset[i])) ^ np.uint64(item[i]))
    return out


@nb.njit(cache=True, nogil=True)
def assertion_keys(urn: Any, day: Any, session: Any, source: Any, period: Any, record: Any) -> Any:
    """Hash of (urn, session date, session, source, period, record_id); with pupil_id it names one assertion.

    ``day``: days since 1970; ``session``: 1 AM, 2 PM; ``source``, ``period``, ``record``: string hashes.
    The pupil is compared exactly beside it, so two assertions can only be taken for one within one pupil's marks.
    """
    out = np.empty(len(urn), np.uint64)
    for i in range(len(urn)):
        place = (np.uint64(urn[i]) << np.uint64(32)) | (np.uint64(day[i]) << np.uint64(2)) | np.uint64(session[i])
        key = _mix(_mix(_mix(place) ^ source[i]) ^ _mix(period[i]) ^ record[i])
        out[i] = key if key != 0 else np.uint64(1)
    return out


@nb.njit(cache=True, nogil=True)
def pupil_session_keys(urn: Any, day: Any, session: Any, pupil: Any) -> Any:
    """(urn, session date, session, pupil_id) in 64 bits, as sinks/sql/known_pupil_sessions.sql gives them; not exact.

    ``day``: days since 1970; ``session``: 1 AM, 2 PM. Pupil ids are random, so two meet once in 10^19.
    """
    out = np.empty(len(urn), np.uint64)
    for i in range(len(urn)):
        place = (np.uint64(urn[i]) << np.uint64(32)) | (np.uint64(day[i]) << np.uint64(2)) | np.uint64(session[i])
        out[i] = place ^ pupil[i]
    return out


@nb.njit(cache=True, nogil=True)
def pupil_places(urn: Any, day: Any, session: Any, aside: Any, pupil: Any) -> Any:
    """Hash of what an assertion is about, whoever makes it: (urn, session date, session, aside) and the pupil.

    ``aside``: the hash of the lesson, or of what else sets assertions apart that are never weighed against each other.
    Of one (urn, day, session, aside) two pupils never meet: there it is a bijection of ``pupil``.
    """
    out = np.empty(len(urn), np.uint64)
    for i in range(len(urn)):
        place = (np.uint64(urn[i]) << np.uint64(32)) | (np.uint64(day[i]) << np.uint64(2)) | np.uint64(session[i])
        out[i] = _mix(_mix(_mix(place) ^ aside[i]) ^ pupil[i])
    return out


@nb.njit(cache=True, nogil=True)
def content_hashes(scheme: Any, code: Any, minutes_late: Any, amendment: Any) -> Any:
    """Hash of what a mark says, stored in ``content``: a restart compares the same. ``amendment``: 0 for none."""
    out = np.empty(len(scheme), np.uint64)
    for i in range(len(scheme)):
        out[i] = _mix(_mix(scheme[i] ^ _mix(code[i])) ^ np.uint64(np.int64(minutes_late[i]) + 2) ^ amendment[i])
    return out


@nb.njit(cache=True, nogil=True)
def item_positions(lengths: Any, total: int) -> Any:
    """For messages of ``lengths`` marks: (message index, position in the message) of each of the ``total`` marks."""
    message, item = np.empty(total, np.uint32), np.empty(total, np.uint32)
    at = 0
    for i in range(len(lengths)):
        for k in range(lengths[i]):
            message[at] = i
            item[at] = k
            at += 1
    return message, item


def probe_size(entries: int) -> int:
    """Slots for an open-addressing table of ``entries`` keys: a power of two, at most 60 % full."""
    size = 1024
    while size * 6 < entries * 10:
        size *= 2
    return size


@nb.njit(cache=True, nogil=True)
def fill(slots: Any, rows: Any, keys: Any, values: Any) -> int:
    """Put keys[i] -> values[i] into an open-addressing table, replacing values held. Returns how many keys are new."""
    mask = np.uint64(len(slots) - 1)
    new = 0
    for i in range(len(keys)):
        key = keys[i] if keys[i] != 0 else np.uint64(1)
        j = key & mask
        while slots[j] != 0 and slots[j] != key:
            j = (j + np.uint64(1)) & mask
        if slots[j] == 0:
            new += 1
        slots[j] = key
        rows[j] = values[i]
    return new


@nb.njit(cache=True, nogil=True)
def find(slots: Any, rows: Any, keys: Any) -> Any:
    """The value of each key, -1 where it is not in the table."""
    mask = np.uint64(len(slots) - 1)
    out = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        key = keys[i] if keys[i] != 0 else np.uint64(1)
        j = key & mask
        out[i] = -1
        while slots[j] != 0:
            if slots[j] == key:
                out[i] = np.int64(rows[j])
                break
            j = (j + np.uint64(1)) & mask
    return out


@nb.njit(cache=True, nogil=True)
def regrow(old: Any, new: Any) -> None:
    """Move the state table's rows (n x 5, see `suppress`) into a larger empty one."""
    mask = np.uint64(len(new) - 1)
    for i in range(len(old)):
        if old[i, 0] != 0:
            j = old[i, 1] & mask
            while new[j, 0] != 0:
                j = (j + np.uint64(1)) & mask
            new[j] = old[i]


@nb.njit(cache=True, nogil=True)
def repeats_within(message: Any, key: Any, pupil: Any, asserted: Any, content: Any, verdict: Any) -> int:
    """Find the same assertion twice within one message (messages are contiguous, in order).

    The same content at the same asserted time: the second is UNCHANGED. Different content: all of that assertion's
    marks in the message are CONTRADICTS, for nobody may choose between them. Writes ``verdict``; returns how many.
    """
    n = len(message)
    contradictions = 0
    start = 0
    slots = np.full(64, -1, np.int64)
    while start < n:
        end = start
        while end < n and message[end] == message[start]:
            end += 1
        size = 64
        while size < 2 * (end - start):
            size *= 2
        if size > len(slots):
            slots = np.full(size, -1, np.int64)
        else:
            slots[:size] = -1
        mask = np.uint64(size - 1)
        clash = False
        for i in range(start, end):
            j = (key[i] ^ pupil[i]) & mask
            while slots[j] >= 0:
                first = slots[j]
                if key[first] == key[i] and pupil[first] == pupil[i] and asserted[first] == asserted[i]:
                    if content[first] == content[i]:
                        verdict[i] = UNCHANGED
                    else:
                        verdict[first] = CONTRADICTS
                        verdict[i] = CONTRADICTS
                        clash = True
                    break
                j = (j + np.uint64(1)) & mask
            if slots[j] < 0:
                slots[j] = i
        if clash:  # a repeat of a contradicted mark is part of the contradiction
            for i in range(start, end):
                j = (key[i] ^ pupil[i]) & mask
                first = slots[j]
                while not (key[first] == key[i] and pupil[first] == pupil[i] and asserted[first] == asserted[i]):
                    j = (j + np.uint64(1)) & mask
                    first = slots[j]
                if verdict[first] == CONTRADICTS:
                    verdict[i] = CONTRADICTS
                    contradictions += 1
        start = end
    return contradictions


@nb.njit(cache=True, nogil=True)
def suppress(
    state: Any, key: Any, place: Any, version: Any, content: Any, told: Any, complete: Any, stands: Any, weighed: Any,
    linked: Any, verdict: Any,
) -> Any:  # fmt: skip
    """Judge marks in partition order against the assertions in force; returns how many keys are new, and what of the
    repeats decides between speakers: rows of (mark, version, content, said again at).

    ``state``: n x 5 open-addressing table of (key, place, version, content, re-asserted version); n a power of two. All
    that is said of one ``place`` (`pupil_places`) stands in one probe.
    ``told``: the mark's time is its message's, which the receipt keeps; only such a repeat is remembered as said again.
    ``complete``: told, and the message states a whole register, or how records of some days stand (a page of a window).
    ``stands``: it is in the history already (recovery): its verdict is not asked for, the state just learns it.
    ``weighed``: it may have to be weighed against what others say of its place; ``linked``: of a pupil whom others may
    speak of at other places (aliases), so that each repeat may decide.
    ``verdict``: UNCHANGED and CONTRADICTS from `repeats_within` are kept; ACCEPTED ones are judged by the four cases of
    docs/design.md ("Unchanged, exactly"). The rows returned: "Said again, between two who disagree" there.
    """
    mask = np.uint64(len(state) - 1)
    new, found = 0, 0
    again = np.empty((64, 4), np.uint64)
    for i in range(len(key)):
        if verdict[i] == CONTRADICTS:
            continue
        k, p, v, c = key[i], place[i], version[i], content[i]
        j = p & mask
        while state[j, 0] != 0 and not (state[j, 0] == k and state[j, 1] == p):
            j = (j + np.uint64(1)) & mask
        before, raised, in_force = np.uint64(0), False, False
        if state[j, 0] == 0:
            state[j, 0], state[j, 1], state[j, 2], state[j, 3], state[j, 4] = k, p, v, c, np.uint64(0)
            new += 1
            in_force = True
        elif stands[i]:
            if v > state[j, 2] and v >= state[j, 4]:
                state[j, 2], state[j, 3] = v, c
                in_force = True
        else:
            same_time = (v >> _MS) == (state[j, 2] >> _MS)
            if verdict[i] == UNCHANGED or (c == state[j, 3] and v >= state[j, 2] and (complete[i] or same_time)):
                verdict[i] = UNCHANGED
                if told[i] and v > state[j, 4]:
                    before = max(state[j, 2], state[j, 4])
                    raised = (v >> _MS) > (before >> _MS)
                    state[j, 4] = v
            elif v < state[j, 4]:
                verdict[i] = SUPERSEDED
            elif v > state[j, 2]:
                state[j, 2], state[j, 3] = v, c
                in_force = True
        if not weighed[i] or not (raised or in_force):
            continue
        decides = raised and linked[i]
        o = p & mask
        while state[o, 0] != 0:
            if o != j and state[o, 1] == p:
                said, held = max(state[o, 2], state[o, 4]) >> _MS, state[o, 2] >> _MS
                if raised:
                    decides |= before >> _MS <= said <= v >> _MS
                elif held <= v >> _MS <= said and held < said:
                    again, found = _note(again, found, i, state[o, 2], state[o, 3], state[o, 4])
            o = (o + np.uint64(1)) & mask
        if decides:
            again, found = _note(again, found, i, state[j, 2], state[j, 3], v)
    return new, again[:found]


@nb.njit(inline="always")
def _note(rows: Any, used: Any, mark: Any, version: Any, content: Any, again: Any) -> Any:
    """Add a row to ``rows``, of which ``used`` are in use; returns both, as they are then."""
    if used == len(rows):
        larger = np.empty((2 * used, 4), np.uint64)
        larger[:used] = rows
        rows = larger
    rows[used, 0], rows[used, 1], rows[used, 2], rows[used, 3] = np.uint64(mark), version, content, again
    return rows, used + 1


@nb.njit(cache=True, nogil=True)
def learn(state: Any, key: Any, place: Any, version: Any, content: Any, again: Any) -> int:
    """Load assertions (from mark_assertion) into the state, with the version at which each was last said again (0: not
    since); returns how many keys are new.
    """
    mask = np.uint64(len(state) - 1)
    new = 0
    for i in range(len(key)):
        j = place[i] & mask
        while state[j, 0] != 0 and not (state[j, 0] == key[i] and state[j, 1] == place[i]):
            j = (j + np.uint64(1)) & mask
        if state[j, 0] == 0:
            new += 1
            state[j, 0], state[j, 1] = key[i], place[i]
        if version[i] > state[j, 2]:
            state[j, 2], state[j, 3] = version[i], content[i]
        state[j, 4] = max(state[j, 4], again[i])
    return new


@nb.njit(cache=True, nogil=True)
def reasserted(slots: Any, rows: Any, version: Any, key: Any, pupil: Any) -> Any:
    """The version at which each assertion (key, pupil_id) was last said again, 0 where never. ``slots``, ``rows``: a
    table (`fill`) from the hash of both, as `mix_columns` gives it and ``unchanged_keys`` holds it, to the row of
    ``version``.
    """
    out = np.zeros(len(key), np.uint64)
    mask = np.uint64(len(slots) - 1)
    for i in range(len(key)):
        named = _mix(key[i] ^ _mix(pupil[i]))
        if named == 0:
            named = np.uint64(1)
        j = named & mask
        while slots[j] != 0:
            if slots[j] == named:
                out[i] = version[rows[j]]
                break
            j = (j + np.uint64(1)) & mask
    return out


#: Words of a block of a filter: a cache line, so that a look at eight bits costs one of memory.
FILTER_BLOCK = 8


@nb.njit(cache=True, nogil=True)
def _block(key: Any, words: Any) -> Any:
    """(first word, hash) of a key's block in a filter: a power of two of blocks of FILTER_BLOCK words."""
    h = _mix(key)
    return (h & np.uint64(len(words) // FILTER_BLOCK - 1)) * np.uint64(FILTER_BLOCK), _mix(h)


@nb.njit(cache=True, nogil=True)
def _knows(words: Any, at: Any, h: Any) -> bool:
    """Whether the block at ``at`` has the bits of ``h``: one in each word, which six bits of the hash choose."""
    for i in range(FILTER_BLOCK):
        bit = np.uint64(1) << ((h >> np.uint64(6 * i)) & np.uint64(63))
        if words[at + np.uint64(i)] & bit == 0:
            return False
    return True


@nb.njit(cache=True, nogil=True)
def leave_out_known(words: Any, keys: Any, new: Any) -> None:
    """Clear ``new`` where ``words`` (a filter, see `remember`) knows the key."""
    for i in range(len(keys)):
        at, h = _block(keys[i], words)
        if _knows(words, at, h):
            new[i] = False


@nb.njit(cache=True, nogil=True)
def remember(words: Any, keys: Any, new: Any) -> int:
    """Put the keys that are ``new`` into the filter, one after the other, and clear ``new`` where one is known by then.

    ``words``: a blocked Bloom filter, a power of two of blocks. Returns how many keys were put in.
    """
    put = 0
    for i in range(len(keys)):
        if new[i]:
            at, h = _block(keys[i], words)
            if _knows(words, at, h):
                new[i] = False
            else:
                for k in range(FILTER_BLOCK):
                    words[at + np.uint64(k)] |= np.uint64(1) << ((h >> np.uint64(6 * k)) & np.uint64(63))
                put += 1
    return put

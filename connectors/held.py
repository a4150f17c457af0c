"""Which records of a school's days were said in a snapshot, so that a later cut may ask for what changed.

    <snapshot>/held/<source>/<school>    hashes of record ids, 8 bytes each

A file is worth something only with its digest, which stands beside the answer in the cut's notes: one that is older or
newer than that answer, broken, or of another address, school or scheme of codes has another. Then its records are not
known and the days are read whole. So a file need not be flushed: what a crash takes costs one whole reading.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from xxhash import xxh3_64_intdigest

from connectors.contract import SCHOOL_ID, MarksPage, Pull

__all__ = ["Held", "HeldFolder"]

_FILE_NAME = re.compile(SCHOOL_ID)
_DIGEST_BYTES = 8


@dataclass(slots=True)
class Held:
    """Records (hashes of their ids) of a school's days that were said and are not gone.

    since: when the last whole answer was begun; None: there was none. whole: read the days whole all the same. known:
    whether the records are those of that answer.
    """

    records: set[int] = field(default_factory=set)
    since: datetime | None = None
    whole: bool = True
    known: bool = True
    _before: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.records)

    def begin(self, *, whole: bool) -> None:
        """A reading begins: what it says comes on top of what was said, or, being whole, in its place."""
        self._before = self.records
        self.records = set() if whole else set(self.records)

    def saying(self, pull: Pull, said: MarksPage) -> MarksPage:
        """Note what is about to be said. Of what is gone since an instant only what was said is told, if that is known:
        the rest is of other days, or came and went between two readings, and nobody knows of which mark it speaks."""
        self.records.update(_named(mark["record_id"]) for mark in said.marks)
        if not said.deletions:
            return said
        gone = {record: _named(record) for record in said.deletions}
        if pull.gone_since is not None and self.known:
            gone = {record: one for record, one in gone.items() if one in self.records or one in self._before}
        self.records.difference_update(gone.values())
        return replace(said, deletions=list(gone))


class HeldFolder:
    """The files of one source in one snapshot."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, school: str, of: str, digest: str) -> set[int] | None:
        """The records of a school; None when there is no file of this digest. of: what the records are of."""
        if not digest or not _FILE_NAME.match(school):
            return None
        try:
            content = (self._folder / school).read_bytes()
        except OSError:
            return None
        return set(array("Q", content)) if _digest(of, content) == digest else None

    def keep(self, school: str, of: str, records: set[int]) -> str:
        """Put them in place of what was there; returns their digest, '' when they cannot be kept. Raises OSError."""
        if not _FILE_NAME.match(school):
            return ""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = array("Q", sorted(records)).tobytes()
        beside = self._folder / f".{school}.new"
        beside.write_bytes(content)
        beside.replace(self._folder / school)
        return _digest(of, content)


def _named(record: str) -> int:
    return xxh3_64_intdigest(record.encode())


def _digest(of: str, content: bytes) -> str:
    return hashlib.blake2b(of.encode() + b"\0" + content, digest_size=_DIGEST_BYTES).hexdigest()

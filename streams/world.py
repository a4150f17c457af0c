"""What the worker knows beside the marks, in columns: schools, calendars, lessons, pupils, aliases, code maps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from rollcall.domain import codes
from rollcall.domain.identity import academic_year, academic_year_days
from streams import kernels
from streams.crosswalk import Crosswalk
from streams.lessons import Lessons

__all__ = ["CodeMap", "ReferenceReader", "Schools", "World"]

U64 = npt.NDArray[np.uint64]
_EPOCH = date(1970, 1, 1)
_EPOCH_INSTANT, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

#: Schools whose pupils are read in one query: all 24,500 at once would hold 2 GB more for a moment.
_SCHOOLS_AT_ONCE = 2_000
#: The phases whose pupils count in the headline (rule 14).
HEADLINE_PHASES = frozenset({"Primary", "Secondary", "Special"})


def days_since_1970(day: date) -> int:
    """The number polars and Avro give a date."""
    return (day - _EPOCH).days


class ReferenceReader(Protocol):
    """Reads reference data in force; sinks.reference is the one that reads ClickHouse."""

    def load_schools(self, client: Any) -> pa.Table: ...
    def load_calendar(self, client: Any) -> pa.Table: ...
    def load_crosswalk(self, client: Any, urns: list[int] | None) -> pa.Table: ...
    def load_enrolments(self, client: Any, urns: list[int] | None) -> pa.Table: ...
    def load_code_map(self, client: Any) -> tuple[pa.Table, int]: ...
    def load_lessons(self, client: Any, urns: list[int] | None) -> pa.Table: ...
    def load_aliased(self, client: Any) -> pa.Table: ...
    def load_lesson_schools(self, client: Any) -> pa.Table: ...
    def changes_since(
        self, client: Any, applied_at: datetime | None
    ) -> tuple[list[tuple[str, str]], datetime | None]: ...


class Schools:
    """Known schools with the days each is open; URNs in ascending order, a row each."""

    def __init__(self, schools: pa.Table, calendar: pa.Table) -> None:
        """``schools``: urn, phase, state_funded, opened_on, closed_on; ``calendar``: urn, first_day, last_day of open
        spans; all days inclusive.
        """
        frame = pl.DataFrame(schools).unique("urn", keep="last").sort("urn")
        self._urns = frame["urn"].cast(pl.UInt32).to_numpy()
        self.in_headline = (
            frame["phase"].cast(pl.String).is_in(list(HEADLINE_PHASES)) & frame["state_funded"].cast(pl.Boolean)
        ).to_numpy()
        self._first_of, self._last_of = (
            frame[name].cast(pl.Date).cast(pl.Int32).to_numpy() for name in ("opened_on", "closed_on")
        )
        spans = pl.DataFrame(calendar).with_columns(
            pl.col("first_day").cast(pl.Date).cast(pl.Int32), pl.col("last_day").cast(pl.Date).cast(pl.Int32)
        )
        self.first_day, self.last_day = 0, -1
        if spans.height:
            years = [
                _EPOCH.fromordinal(_EPOCH.toordinal() + int(d))
                for d in (spans["first_day"].to_numpy().min(), spans["last_day"].to_numpy().max())
            ]
            self.first_day = days_since_1970(academic_year_days(academic_year(years[0]))[0])
            self.last_day = days_since_1970(academic_year_days(academic_year(years[1]))[1])
        self._open = np.zeros((max(len(self._urns), 1), max(self.last_day - self.first_day + 1, 1)), np.bool_)
        rows = self.rows(spans["urn"].cast(pl.UInt32).to_numpy()) if spans.height else np.zeros(0, np.int64)
        for row, first, last in zip(rows, spans["first_day"], spans["last_day"], strict=True):
            if row >= 0:
                self._open[row, first - self.first_day : last - self.first_day + 1] = True

    def __len__(self) -> int:
        return len(self._urns)

    def slices(self, size: int) -> Iterator[list[int]]:
        """The URNs in slices of at most ``size``."""
        for start in range(0, len(self._urns), size):
            yield self._urns[start : start + size].tolist()

    def rows(self, urns: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Row of each URN, -1 for a school nobody told us of."""
        if not len(self._urns):
            return np.full(len(urns), -1, np.int64)
        at = np.minimum(np.searchsorted(self._urns, urns), len(self._urns) - 1)
        return np.where(self._urns[at] == urns, at, -1).astype(np.int64)

    def existed_on(self, rows: npt.NDArray[np.int64], days: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Whether the day lies between the first and the last of the school of each row (rule 12); True for -1."""
        if not len(self._urns):
            return np.ones(len(rows), np.bool_)
        at = np.maximum(rows, 0)
        return np.asarray((rows < 0) | ((days >= self._first_of[at]) & (days <= self._last_of[at])))

    def open_on(self, rows: npt.NDArray[np.int64], days: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Whether the school of each row is open on the day; days outside the loaded academic years are not."""
        at = np.clip(days - self.first_day, 0, self._open.shape[1] - 1)
        inside = (days >= self.first_day) & (days <= self.last_day)
        return np.asarray(self._open[np.maximum(rows, 0), at] & inside & (rows >= 0))


class CodeMap:
    """The map in force from (scheme, raw code, session date) to the canonical code."""

    def __init__(self, entries: pa.Table, version: int) -> None:
        """``entries``: scheme, raw_code, canonical_code, valid_from, valid_to (inclusive)."""
        frame = pl.DataFrame(entries).with_columns(
            pl.col("scheme", "raw_code", "canonical_code").cast(pl.String),
            pl.col("valid_from").cast(pl.Date).cast(pl.Int32), pl.col("valid_to").cast(pl.Date).cast(pl.Int32),
        ).sort("scheme", "raw_code", "valid_from")  # fmt: skip
        self.version = version
        #: Distinct raw and canonical codes of the entries; index 0 of `canonical` is "" (unmapped).
        self.raw: list[str] = sorted(set(frame["raw_code"]))
        raw_number = {code: i for i, code in enumerate(self.raw)}
        self.raw_of_entry = np.array([raw_number[c] for c in frame["raw_code"]], np.int32)
        self.canonical: list[str] = ["", *sorted(set(frame["canonical_code"]) - {""})]
        number = {code: i for i, code in enumerate(self.canonical)}
        self._canonical = np.array([number[c] for c in frame["canonical_code"]], np.int16)
        self._from, self._to = frame["valid_from"].to_numpy(), frame["valid_to"].to_numpy()
        keys = self.keys(kernels.hash_strings(frame["raw_code"]), kernels.hash_strings(frame["scheme"]))
        self._next = np.full(len(keys), -1, np.int64)
        if len(keys) > 1:
            self._next[:-1] = np.where(keys[1:] == keys[:-1], np.arange(1, len(keys)), -1)
        first = np.ones(len(keys), np.bool_)
        first[1:] = keys[1:] != keys[:-1]
        size = kernels.probe_size(max(len(keys), 1))
        self._slots, self._rows = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
        kernels.fill(self._slots, self._rows, keys[first], np.flatnonzero(first).astype(np.uint32))
        self._withdrawn_from, self._valid_from = self._validity()

    @staticmethod
    def keys(codes_hashed: U64, schemes_hashed: U64) -> U64:
        """Hash of (scheme, raw code) for columns of string hashes."""
        return np.asarray(kernels.mix_columns(codes_hashed, schemes_hashed))

    def find(self, keys: U64, days: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
        """Per mark: the entry's row (-1: no such code in its scheme) and the canonical code's number (0: unmapped)."""
        rows = np.asarray(kernels.find(self._slots, self._rows, keys))
        at = rows.copy()
        if len(self._canonical) == 0:
            return rows, np.zeros(len(rows), np.int16)
        canonical = np.zeros(len(rows), np.int16)
        while True:
            live = at >= 0
            if not live.any():
                return rows, canonical
            safe = np.where(live, at, 0)
            holds = live & (days >= self._from[safe]) & (days <= self._to[safe])
            canonical[holds] = self._canonical[safe[holds]]
            at = np.where(live & ~holds, self._next[safe], -1)

    def out_of_date(self, canonical: npt.NDArray[np.int16], days: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Rule 4: the code is not in use on the day (it keeps its category)."""
        return np.asarray((days < self._valid_from[canonical]) | (days > self._withdrawn_from[canonical]))

    def number_of(self, canonical_code: str) -> int:
        """The number of a canonical code, -1 when no entry maps to it."""
        return self.canonical.index(canonical_code) if canonical_code in self.canonical else -1

    def _validity(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        by_code = {c.code: c for c in codes.CODES}
        last = np.full(len(self.canonical), 2**30, np.int32)
        first = np.full(len(self.canonical), -(2**30), np.int32)
        for i, name in enumerate(self.canonical):
            code = by_code.get(name)
            if code is not None and code.valid_to is not None:
                last[i] = days_since_1970(code.valid_to)
            if code is not None and code.valid_from is not None:
                first[i] = days_since_1970(code.valid_from)
        return last, first


class World:
    """All of it, as in force now; `refresh` takes in what changed since."""

    def __init__(self, reader: ReferenceReader) -> None:
        self._reader = reader
        self._seen: datetime | None = None
        self.schools = Schools(_EMPTY_SCHOOLS, _EMPTY_CALENDAR)
        self.lessons = Lessons()
        self.crosswalk = Crosswalk()
        self.code_map = CodeMap(_EMPTY_MAP, 0)
        #: Pupils linked to another by an alias: none of their marks counts as it is. In ascending order.
        self.aliased: U64 = np.zeros(0, np.uint64)
        #: Schools with a rule by which a session's mark may follow from lessons (rule 7), or that once had one.
        self.lesson_schools: npt.NDArray[np.uint32] = np.zeros(0, np.uint32)

    @property
    def known_us(self) -> int:
        """When the newest reference data that is taken in here was applied, microseconds since 1970; 0: none."""
        return 0 if self._seen is None else (self._seen - _EPOCH_INSTANT) // _MICROSECOND

    def load(self, client: Any) -> None:
        """Read everything in force."""
        _, self._seen = self._reader.changes_since(client, None)
        self._load_schools(client)
        self.lessons.update(self._reader.load_lessons(client, None))
        self.crosswalk = Crosswalk()
        for urns in self.schools.slices(_SCHOOLS_AT_ONCE):
            self.crosswalk.update(self._reader.load_crosswalk(client, urns), self._reader.load_enrolments(client, urns))
        self._load_code_map(client)

    def refresh(self, client: Any) -> set[str]:
        """Take in what changed since the last look; returns the kinds that did (school, roster, ...)."""
        changes, self._seen = self._reader.changes_since(client, self._seen)
        kinds = {kind for kind, _ in changes}
        if kinds & {"school", "calendar"}:
            self._load_schools(client)
        if urns := sorted({int(key) for kind, key in changes if kind == "register"}):
            self.lessons.update(self._reader.load_lessons(client, urns), urns)
        if urns := sorted({int(key) for kind, key in changes if kind in ("roster", "school", "crosswalk")}):
            self.crosswalk.update(self._reader.load_crosswalk(client, urns), self._reader.load_enrolments(client, urns))
        if kinds & {"code-map", "pupil-alias", "lesson-rule"}:
            self._load_code_map(client)
        return kinds

    def _load_code_map(self, client: Any) -> None:
        """The map, and what keeps marks from counting as they are after it: who maps by a map knows every alias, and
        every rule for lessons, that was published before it."""
        self.code_map = CodeMap(*self._reader.load_code_map(client))
        self.aliased = np.unique(pl.DataFrame(self._reader.load_aliased(client))["pupil_id"].cast(pl.UInt64).to_numpy())
        schools = pl.DataFrame(self._reader.load_lesson_schools(client))["urn"]
        self.lesson_schools = np.unique(schools.cast(pl.UInt32).to_numpy())

    def _load_schools(self, client: Any) -> None:
        self.schools = Schools(self._reader.load_schools(client), self._reader.load_calendar(client))


_EMPTY_SCHOOLS = pa.table(
    {"urn": pa.array([], pa.uint32()), "phase": pa.array([], pa.string()), "state_funded": pa.array([], pa.bool_())}
    | {name: pa.array([], pa.date32()) for name in ("opened_on", "closed_on")}
)
_EMPTY_CALENDAR = pa.table(
    {"urn": pa.array([], pa.uint32()), "first_day": pa.array([], pa.date32()), "last_day": pa.array([], pa.date32())}
)
_EMPTY_MAP = pa.table(
    {name: pa.array([], pa.string()) for name in ("scheme", "raw_code", "canonical_code")}
    | {name: pa.array([], pa.date32()) for name in ("valid_from", "valid_to")}
)

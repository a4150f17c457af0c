"""The nation that benchmarks run on: schools, pupils and reference data as functions of a number; nothing is stored.

School ``s`` has URN 100,000 + s and 300 pupils in ten groups of 30; pupil ``p`` (school * 300 + place) has a pupil_id
and a reference that are hashes of its number. 24,500 schools are 7.35 million pupils. Nobody is named: nobody is real.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from rollcall.domain.codes import national_map_entries
from sinks.calendar_weeks import school_weeks
from sinks.reference import make_missing

__all__ = [
    "DAY",
    "GROUPS",
    "GROUP_SIZE",
    "PUPILS",
    "REFS",
    "SESSION_DATE",
    "Nation",
    "authority",
    "int_hash64",
    "put_ref",
    "ref_strings",
]

U64 = npt.NDArray[np.uint64]

#: The day that is measured: a Wednesday of term, always in the past, so that no mark is dated ahead.
SESSION_DATE = date(2026, 1, 14)
DAY = (SESSION_DATE - date(1970, 1, 1)).days
#: Pupils of a school, groups of a school, pupils of a group.
PUPILS, GROUPS, GROUP_SIZE = 300, 10, 30
#: What sources call a pupil, and its length: an MIS's id, a keyed UPN hash ("k1:" and 32 digits, rollcall.domain.upn).
REFS: dict[str, int] = {"mis": 13, "upn": 35}

_TAKEN_AT = datetime(2026, 1, 5, tzinfo=UTC)
_FIRST, _LAST = date(2025, 9, 1), date(2149, 6, 6)
_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
#: Local authorities and regions of England.
_AUTHORITIES, _REGIONS = 153, 9
#: Rows of one insert of reference data.
_CHUNK = 1_000_000


def authority(school: int) -> str:
    """The code of the authority that a school, by its number, is of."""
    return str(201 + school % _AUTHORITIES)


@nb.njit(inline="always")
def _int_hash64(x: Any) -> Any:
    x = np.uint64(x) ^ np.uint64(0x4CF2D2BAAE6DA887)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))


@nb.vectorize(["uint64(uint64)"], cache=True)  # type: ignore[no-untyped-call]
def int_hash64(x: Any) -> Any:
    """ClickHouse's intHash64 over a column: what answers are compared by, computed here without ClickHouse."""
    return _int_hash64(x)


@nb.njit(cache=True)
def put_ref(out: Any, at: int, pupil: int, width: int) -> int:
    """Write the reference of a pupil (13 characters of an MIS, 35 of a UPN) at ``out[at]``; returns where it ends."""
    h = _int_hash64(np.uint64(pupil) ^ np.uint64(0x5DEECE66D0000000))
    if width == 13:
        for k in range(13):
            out[at + 12 - k] = _ALPHABET[h & np.uint64(31)]
            h = h >> np.uint64(5)
        return at + 13
    out[at], out[at + 1], out[at + 2] = 107, 49, 58
    for half in range(2):
        for k in range(16):
            out[at + 3 + half * 16 + k] = _HEX[h & np.uint64(15)]
            h = h >> np.uint64(4)
        h = _int_hash64(np.uint64(pupil) + np.uint64(0x9E3779B97F4A7C15))
    return at + 35


@nb.njit(cache=True)
def _refs(first: int, count: int, width: int) -> Any:
    out = np.empty(count * width, np.uint8)
    for i in range(count):
        put_ref(out, i * width, first + i, width)
    return out


def ref_strings(first: int, count: int, width: int) -> pa.Array:
    """References of pupils ``first`` to ``first + count - 1`` as a string column."""
    offsets = np.arange(count + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(_refs(first, count, width)))


@dataclass(frozen=True, slots=True)
class Nation:
    """``schools`` schools whose pupils are known by references of ``scheme`` (REFS names their kinds by ``refs``)."""

    schools: int
    scheme: str
    refs: str = "mis"

    @property
    def pupils(self) -> int:
        """Pupils on roll."""
        return self.schools * PUPILS

    @property
    def ref_width(self) -> int:
        """Characters of a pupil's reference."""
        return REFS[self.refs]

    @staticmethod
    def urns(pupils: npt.NDArray[Any]) -> U64:
        """URN of each pupil number."""
        return (100_000 + pupils // PUPILS).astype(np.uint64)

    @staticmethod
    def pupil_ids(pupils: npt.NDArray[Any]) -> U64:
        """pupil_id of each pupil number."""
        return np.asarray(int_hash64(pupils.astype(np.uint64) + np.uint64(1 << 40)))

    @staticmethod
    def year_groups(pupils: npt.NDArray[Any]) -> U64:
        """Year group (1 to 10) of each pupil number: a group's pupils are of one year."""
        return (pupils % PUPILS // GROUP_SIZE + 1).astype(np.uint64)

    def load(self, client: Client) -> None:
        """Write the reference tables of sinks/migrations/0003_reference.sql as the loader would have left them."""
        self._load_schools(client)
        for first in range(0, self.pupils, _CHUNK):
            self._load_pupils(client, first, min(_CHUNK, self.pupils - first))

    def _load_schools(self, client: Client) -> None:
        n = self.schools
        urns = pa.array(np.arange(100_000, 100_000 + n), pa.uint32())
        text = [str(urn) for urn in range(100_000, 100_000 + n)]
        las = [authority(number) for number in range(n)]
        same = _constants(n)
        _insert(
            client,
            "school",
            {
                "urn": urns,
                "name": pa.array([f"School {urn}" for urn in text]),
                "la_code": pa.array(las),
                "la_name": pa.array([f"LA {la}" for la in las]),
                "region_code": pa.array([f"E{int(la) % _REGIONS}" for la in las]),
                "region_name": pa.array([f"Region {int(la) % _REGIONS}" for la in las]),
                "trust_id": same("T1"),
                "trust_name": same("Trust 1"),
                "establishment_type": same("Academy converter"),
                "phase": pa.array(["Secondary" if number % 6 == 5 else "Primary" for number in range(n)]),
                "state_funded": same(True),
                "status": same("Open"),
                "valid_from": same(_FIRST),
                "valid_to": same(_LAST),
                "taken_at": same(_TAKEN_AT),
            },
        )
        term = (date(2026, 1, 5), date(2026, 3, 27))
        year = {"urn": urns, "taken_at": same(_TAKEN_AT), "academic_year": same("2025/26")}
        name, first_day, last_day = same("Spring"), same(term[0]), same(term[1])
        _insert(client, "calendar_term", {**year, "name": name, "first_day": first_day, "last_day": last_day})
        for week in school_weeks([term], [], []):
            days = pa.array([week.days] * n, pa.list_(pa.uint8()))
            commencing, nameless = same(week.commencing), same(week.name)
            _insert(client, "school_week", {**year, "week_commencing": commencing, "week": nameless, "days": days})
        make_missing(client)
        entries = national_map_entries()
        same = _constants(len(entries))
        _insert(
            client,
            "code_map",
            {
                "scheme": same("national"),
                "version": pa.array([1] * len(entries), pa.uint32()),
                "raw_code": pa.array([e.raw_code for e in entries]),
                "canonical_code": pa.array([e.canonical_code for e in entries]),
                "valid_from": pa.array([e.valid_from or date(1970, 1, 1) for e in entries]),
                "valid_to": pa.array([e.valid_to or _LAST for e in entries]),
                "published_at": same(_TAKEN_AT),
            },
        )
        for kind, keys in (("school", text), ("calendar", text), ("roster", text), ("code-map", ["national"])):
            same = _constants(len(keys))
            _insert(
                client,
                "reference_version",
                {
                    "kind": same(kind),
                    "key": pa.array(keys),
                    "taken_at": same(_TAKEN_AT),
                    "digest": pa.array([0] * len(keys), pa.uint64()),
                    "topic_id": same("benchmark"),
                    "partition": pa.array([0] * len(keys), pa.uint16()),
                    "offset": pa.array([0] * len(keys), pa.uint64()),
                    "applied_at": same(_TAKEN_AT),
                },
            )

    def _load_pupils(self, client: Client, first: int, count: int) -> None:
        pupils = np.arange(first, first + count)
        urns, ids = pa.array(self.urns(pupils).astype(np.uint32)), pa.array(self.pupil_ids(pupils))
        same = _constants(count)
        no, at = same(False), same(_TAKEN_AT)
        _insert(
            client,
            "crosswalk",
            {
                "urn": urns,
                "scheme": same(self.scheme),
                "ref": ref_strings(first, count, self.ref_width),
                "pupil_id": ids,
                "valid_from": same(_FIRST),
                "valid_to": same(_LAST),
                "upn_invalid": no,
                "upn_shared": no,
                "ambiguous": no,
                "updated_at": at,
            },
        )
        years = pa.DictionaryArray.from_arrays(
            pa.array((self.year_groups(pupils) - 1).astype(np.int8)), pa.array([str(y) for y in range(1, GROUPS + 1)])
        )
        _insert(
            client,
            "enrolment",
            {
                "urn": urns,
                "taken_at": at,
                "pupil_id": ids,
                "first_day": same(_FIRST),
                "last_day": same(_LAST),
                "status": same("registered"),
                "year_group": years,
                "age_31_august": pa.array(np.full(count, 9, np.uint8)),
                "boarder": no,
                "part_time": no,
                "in_scope": same(True),
            },
        )


def _constants(n: int) -> Any:
    """A function that makes a column of ``n`` times the same value."""

    def same(value: Any) -> pa.Array:
        if isinstance(value, datetime):
            return pa.repeat(pa.scalar(value, pa.timestamp("ms", "UTC")), n)
        return pa.repeat(pa.scalar(value), n)

    return same


def _insert(client: Client, table: str, columns: dict[str, Any]) -> None:
    client.insert_arrow(table, pa.table(columns), settings={"async_insert": 0})

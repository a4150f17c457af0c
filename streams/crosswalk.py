"""Who a source means: (URN, scheme, ref) -> pupil, for millions of pupils at some tens of nanoseconds each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from streams import kernels

__all__ = ["Crosswalk", "Pupils"]

U64 = npt.NDArray[np.uint64]

#: Days that stand for "no enrolment known": no session date lies between them.
_NEVER_FIRST, _NEVER_LAST = 65_535, 0

FLAG_UPN_INVALID, FLAG_UPN_SHARED, FLAG_AMBIGUOUS, FLAG_SEVERAL_SPANS = 1, 2, 4, 8


def reference_keys(urns: Any, schemes: Any, refs: Any) -> U64:
    """Hash of (URN, scheme, ref) for columns of equal length; ``schemes`` and ``refs`` as string hashes."""
    return np.asarray(kernels.mix_columns(kernels.mix_columns(refs, schemes), urns))


@dataclass(slots=True)
class Pupils:
    """Facts of the pupils found, one entry a mark; entries of marks without a pupil are meaningless."""

    pupil_id: U64
    first_day: npt.NDArray[np.uint16]
    last_day: npt.NDArray[np.uint16]
    year_group: npt.NDArray[np.uint8]
    in_scope: npt.NDArray[np.bool_]
    flags: npt.NDArray[np.uint8]


class Crosswalk:
    """An open-addressing table over the crosswalk of ClickHouse, with each pupil's enrolment beside it.

    Memory: 12 bytes a slot (at most 60 % full) and 22 bytes a reference.
    """

    def __init__(self) -> None:
        self._slots = np.zeros(1024, np.uint64)
        self._rows = np.zeros(1024, np.uint32)
        self._count = 0
        self.year_groups: list[str] = [""]
        self._facts = Pupils(
            np.zeros(0, np.uint64), np.zeros(0, np.uint16), np.zeros(0, np.uint16), np.zeros(0, np.uint8),
            np.zeros(0, np.bool_), np.zeros(0, np.uint8),
        )  # fmt: skip
        self._spans: dict[int, list[tuple[int, int, int, bool]]] = {}

    def __len__(self) -> int:
        return self._count

    def update(self, crosswalk: pa.Table, enrolments: pa.Table) -> None:
        """Add or replace the references of ``crosswalk`` (urn, scheme, ref, pupil_id, upn_invalid, upn_shared,
        ambiguous).

        ``enrolments`` (urn, pupil_id, first_day, last_day, year_group, in_scope): those of the same schools, in force.
        """
        if crosswalk.num_rows == 0:
            return
        facts = self._join(crosswalk, enrolments)
        base = len(self._facts.pupil_id)
        rows = np.arange(base, base + facts.height, dtype=np.uint32)
        self._append(facts, base)
        schemes = facts["scheme"].cast(pl.Categorical)
        keys = reference_keys(
            facts["urn"].to_numpy(), _by_category(schemes, kernels.hash_strings), kernels.hash_strings(facts["ref"])
        )
        wanted = kernels.probe_size(self._count + len(keys))
        if wanted > len(self._slots):
            slots, table = np.zeros(wanted, np.uint64), np.zeros(wanted, np.uint32)
            held = self._slots != 0
            kernels.fill(slots, table, self._slots[held], self._rows[held])
            self._slots, self._rows = slots, table
        self._count += int(kernels.fill(self._slots, self._rows, keys, rows))

    def find(self, keys: U64) -> tuple[npt.NDArray[np.int64], Pupils]:
        """For each of ``keys`` (`reference_keys`): the row of its pupil, -1 for nobody, and the pupils' facts."""
        rows = np.asarray(kernels.find(self._slots, self._rows, keys))
        at = np.where(rows < 0, 0, rows)
        f = self._facts
        if len(f.pupil_id) == 0:
            return rows, Pupils(*(np.zeros(len(rows), a.dtype) for a in _columns(f)))
        return rows, Pupils(*(a[at] for a in _columns(f)))

    def enrolment_on(self, row: int, day: int) -> tuple[bool, int, bool]:
        """(on roll, year group index, in scope) of a pupil with several enrolments, on ``day`` (days since 1970)."""
        spans = self._spans[row]
        for first, last, year_group, in_scope in spans:
            if first <= day <= last:
                return True, year_group, in_scope
        return False, spans[-1][2], spans[-1][3]

    def _join(self, crosswalk: pa.Table, enrolments: pa.Table) -> pl.DataFrame:
        refs = pl.DataFrame(crosswalk).with_columns(pl.col("urn").cast(pl.UInt32), pl.col("pupil_id").cast(pl.UInt64))
        spans = (
            pl.DataFrame(enrolments)
            .with_columns(
                pl.col("urn").cast(pl.UInt32), pl.col("pupil_id").cast(pl.UInt64),
                pl.col("first_day").cast(pl.Date).cast(pl.Int32).clip(0, 65_535),
                pl.col("last_day").cast(pl.Date).cast(pl.Int32).clip(0, 65_535),
                pl.col("year_group").cast(pl.String), pl.col("in_scope").cast(pl.Boolean),
            )
            .sort("urn", "pupil_id", "first_day")
        )  # fmt: skip
        pupils = spans.group_by("urn", "pupil_id", maintain_order=True).agg(
            pl.col("first_day").min(), pl.col("last_day").max(), pl.col("year_group").last(), pl.col("in_scope").last(),
            pl.len().alias("spans"),
        )  # fmt: skip
        joined = refs.join(pupils, on=["urn", "pupil_id"], how="left", maintain_order="left")
        several = spans.join(pupils.filter(pl.col("spans") > 1), on=["urn", "pupil_id"], how="semi")
        self._pending_spans = several.partition_by("urn", "pupil_id", as_dict=True) if several.height else {}
        return joined

    def _append(self, facts: pl.DataFrame, base: int) -> None:
        for name in facts["year_group"].drop_nulls().unique().sort():
            if name not in self.year_groups:
                self.year_groups.append(name)
        numbers = {name: i for i, name in enumerate(self.year_groups)}
        year = facts["year_group"].fill_null("").replace_strict(numbers, return_dtype=pl.UInt8).to_numpy()
        flags = (
            facts["upn_invalid"].cast(pl.UInt8) * FLAG_UPN_INVALID
            + facts["upn_shared"].cast(pl.UInt8) * FLAG_UPN_SHARED
            + facts["ambiguous"].cast(pl.UInt8) * FLAG_AMBIGUOUS
            + (facts["spans"].fill_null(0) > 1).cast(pl.UInt8) * FLAG_SEVERAL_SPANS
        ).to_numpy()  # fmt: skip
        new = Pupils(
            facts["pupil_id"].to_numpy(),
            facts["first_day"].fill_null(_NEVER_FIRST).to_numpy().astype(np.uint16),
            facts["last_day"].fill_null(_NEVER_LAST).to_numpy().astype(np.uint16),
            year, facts["in_scope"].fill_null(False).to_numpy(), flags.astype(np.uint8),
        )  # fmt: skip
        if self._pending_spans:
            for i in np.flatnonzero(flags & FLAG_SEVERAL_SPANS):
                frame = self._pending_spans[facts["urn"][int(i)], facts["pupil_id"][int(i)]]
                self._spans[base + int(i)] = [
                    (first, last, numbers[year_group], in_scope)
                    for first, last, year_group, in_scope in frame.select(
                        "first_day", "last_day", "year_group", "in_scope"
                    ).iter_rows()
                ]
            self._pending_spans = {}
        self._facts = Pupils(
            *(np.concatenate((a, b)) for a, b in zip(_columns(self._facts), _columns(new), strict=True))
        )


def _columns(p: Pupils) -> tuple[npt.NDArray[Any], ...]:
    return (p.pupil_id, p.first_day, p.last_day, p.year_group, p.in_scope, p.flags)


def _by_category(column: pl.Series, function: Any) -> U64:
    """Apply a function of strings to a categorical column once a category, not once a row."""
    categories = column.unique().drop_nulls()
    numbers = categories.to_physical().to_numpy()
    table = np.zeros(int(numbers.max()) + 1 if len(numbers) else 1, np.uint64)
    table[numbers] = function(categories.cast(pl.String))
    return np.asarray(table[column.to_physical().fill_null(0).to_numpy()])

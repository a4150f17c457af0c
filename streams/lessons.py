"""Which lessons the timetables in force have: what a mark of a lesson is held against (rules 1 and 7)."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

__all__ = ["Lessons"]

_SPANS = pl.Schema({"urn": pl.UInt32, "lesson": pl.String, "valid_from": pl.Int32, "valid_to": pl.Int32})
_PLACE = ["urn", "period", "day"]


class Lessons:
    """Names of lessons, school by school, with the first and last session date that each has in the timetable."""

    def __init__(self) -> None:
        self._spans = pl.DataFrame(schema=_SPANS)

    def update(self, read: pa.Table, urns: Collection[int] | None = None) -> None:
        """Take in what was ``read`` (urn, lesson, valid_from, valid_to): all there is of ``urns``, of all when None."""
        spans = pl.DataFrame(read).select(
            pl.col("urn").cast(pl.UInt32), pl.col("lesson").cast(pl.String),
            pl.col("valid_from", "valid_to").cast(pl.Date).cast(pl.Int32),
        )  # fmt: skip
        kept = self._spans.clear() if urns is None else self._spans.filter(~pl.col("urn").is_in(sorted(urns)))
        self._spans = pl.concat([kept, spans]).unique()

    def unexpected(
        self, urns: npt.NDArray[np.uint32], periods: pl.Series, days: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.bool_]:
        """Which marks are of a lesson (period not empty) that the school's timetable does not have on that date.

        A timetable that has no lesson at all on a date says nothing of the lessons of that date.
        """
        found = np.zeros(len(urns), np.bool_)
        if not len(self._spans):
            return found
        at = np.flatnonzero((periods != "").to_numpy())
        if not len(at):
            return found
        asked = pl.DataFrame({"urn": urns[at], "period": periods.gather(at), "day": days[at]})
        judged = (
            asked.unique()
            .join(self._spans, on="urn")
            .filter(pl.col("day").is_between("valid_from", "valid_to"))
            .group_by(_PLACE)
            .agg((pl.col("lesson") == pl.col("period")).any().alias("expected"))
        )
        known = asked.join(judged, on=_PLACE, how="left", maintain_order="left")["expected"].fill_null(True)
        found[at] = ~known.to_numpy()
        return found

"""Repeats of a mark that changed nothing: no row of the history, but named by the receipts of their messages.

A mark with a modified time of its own is unchanged only at the very time that stands; of such repeats receipts keep the
number alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from clickhouse_connect.driver.client import Client

from rollcall.domain.clock import as_utc
from sinks.deliveries import Delivery
from sinks.statements import load
from streams import kernels
from streams.memory import assertion_keys

__all__ = ["Repeat", "repeats"]

_EPOCH = date(1970, 1, 1)
_SESSIONS = {"AM": 1, "PM": 2}


class Repeat(NamedTuple):
    """A message that said again what stood."""

    source: str
    topic: str
    partition: int
    offset: int
    asserted_at: datetime
    ingested_at: datetime

    def as_json(self) -> dict[str, Any]:
        """As an element of the document of `rollcall explain mark --json`."""
        instants = {
            name: getattr(self, name).isoformat(timespec="milliseconds") for name in ("asserted_at", "ingested_at")
        }
        return {**self._asdict(), **instants}


def repeats(client: Client, told: Sequence[Delivery]) -> list[Repeat]:
    """Messages that re-asserted any of these deliveries' assertions without a change, in the order of knowledge."""
    if not told:
        return []
    frame = pl.DataFrame(
        {
            "urn": [one.urn for one in told],
            "day": [(one.session_date - _EPOCH).days for one in told],
            "session": [_SESSIONS[one.session] for one in told],
            "source": [one.source for one in told],
            "period": [one.period for one in told],
            "record_id": [one.record_id for one in told],
        }
    )
    keys = kernels.mix_columns(assertion_keys(frame), np.array([one.pupil_id for one in told], np.uint64))
    asked = {"urn": told[0].urn, "keys": sorted({int(key) for key in keys})}
    rows = client.query(load("story_repeats"), parameters=asked).result_rows
    return [Repeat._make((*row[:4], as_utc(row[4]), as_utc(row[5]))) for row in rows]

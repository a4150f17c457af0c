"""Rows of quarantine_trail that the worker writes: what it made of each replay (sinks/migrations/0021_replays.sql)."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from streams.frames import Decoded
from streams.world import World

__all__ = ["quarantine_trail"]


def quarantine_trail(decoded: Decoded, judged: pl.DataFrame, world: World) -> pa.Table:
    """One row an item that a replay names; ``judged``: streams.replays.JUDGED."""
    batch = decoded.batch
    records = [batch.records[i] for i in judged["record"]]
    replays = [r.replay for r in records if r.replay is not None]
    n = len(judged)
    return pa.table(
        {
            "topic_id": pa.array([r.topic_id for r in replays], pa.string()),
            "partition": pa.array([r.partition for r in replays], pa.uint16()),
            "offset": pa.array([r.offset for r in replays], pa.uint64()),
            "item": judged["item"].cast(pl.Int32).to_arrow(),
            "what": pa.array(["judged"] * n, pa.string()).dictionary_encode(),
            "run": pa.array([r.run for r in replays], pa.string()),
            "by": pa.array([r.by for r in replays], pa.string()),
            "replayed_topic_id": pa.array([r.topic.uuid for r in records], pa.string()),
            "replayed_partition": pa.array([r.partition for r in records], pa.uint16()),
            "replayed_offset": pa.array([r.offset for r in records], pa.uint64()),
            "replayed_item": judged["replayed_item"].cast(pl.Int32).to_arrow(),
            "outcome": pa.array(judged["outcome"].to_list(), pa.string()).dictionary_encode(),
            "reference_at": pa.array([world.known_us] * n, pa.int64()).cast(pa.timestamp("us", "UTC")),
            "at": pa.array([batch.ingested_ms] * n, pa.int64()).cast(pa.timestamp("ms", "UTC")),
            "batch": pa.array([batch.id] * n, pa.uint64()),
        }
    )

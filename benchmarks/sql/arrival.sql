-- The history of a run once more, in the order in which it arrived: what the engine's own limit is measured with.
-- Read by benchmarks/engine_limit.py.
CREATE TABLE arrival
ENGINE = MergeTree ORDER BY (ingested_at, batch, partition, offset, item)
AS SELECT * FROM {source:Identifier}.mark_event

-- The batches in the order in which they arrived. Read by benchmarks/engine_limit.py.
SELECT batch FROM arrival GROUP BY batch ORDER BY min(ingested_at)

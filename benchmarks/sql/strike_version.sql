-- The rosters of the strike benchmark are in force. Read by benchmarks/strike.py.
INSERT INTO reference_version (kind, key, taken_at, digest, topic_id, partition, offset, applied_at)
SELECT 'roster', toString(100000 + number), '2023-01-01', 1, 'benchmark', 0, number, now64(6) FROM numbers({schools:UInt32})

-- The schools, the rosters and a code map of the strike benchmark are in force since before the day. Read by benchmarks/strike.py.
INSERT INTO reference_version (kind, key, taken_at, digest, topic_id, partition, offset, applied_at)
SELECT arrayJoin(['school', 'roster']), toString(100000 + number), '2023-01-01', 1, 'benchmark', 0, number, '2023-01-02'
FROM numbers({schools:UInt32})
UNION ALL
SELECT 'code-map', 'national', '2023-01-01', 1, 'benchmark', 0, 0, '2023-01-02'

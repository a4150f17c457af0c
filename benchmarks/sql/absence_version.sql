-- The schools, the rosters and the code map of the absence benchmark are in force. Read by benchmarks/absence.py.
INSERT INTO reference_version (kind, key, taken_at, digest, topic_id, partition, offset, applied_at)
SELECT arrayJoin(['school', 'roster']), toString(100000 + number), '2025-01-01', 1, 'benchmark', 0, number, '2025-01-02'
FROM numbers({schools:UInt32} * 6)
UNION ALL
SELECT 'code-map', 'national', '2025-01-01', 1, 'benchmark', 0, 0, '2025-01-02'

-- The range that was begun first of those that are not finished, of any group. Read by sinks/as_at_marks.py.
SELECT consumer_group, topic, partition, first_offset, last_offset, toUnixTimestamp64Milli(ingested_at) AS ingested_ms
FROM ledger FINAL
WHERE state = 'PENDING'
ORDER BY ingested_at, topic, partition
LIMIT 1

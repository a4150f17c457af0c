-- What is known of replays of the deliveries at some places: sent when (ms since 1970), or judged how. Read by sinks/archive_range.py.
-- `places`: places.sql.
SELECT
    toString(topic_id), partition, offset, item, toString(what), toString(outcome),
    toString(replayed_topic_id), replayed_partition, replayed_offset, toUnixTimestamp64Milli(at)
FROM quarantine_trail FINAL
WHERE what IN ('sent', 'judged') AND (topic_id, partition, offset) IN ({places})

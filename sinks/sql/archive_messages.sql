-- Messages of the archive as they may be sent again, in order, so many at a time. Base 64, because a client may take a String for text.
-- `which`: archive_within.sql or archive_at.sql. Parameters: theirs; at_once. Read by sinks/archive_range.py.
SELECT
    toString(topic), toString(topic_id), partition, offset, base64Encode(key), base64Encode(value), is_null,
    toUnixTimestamp64Milli(arrived_at), arrayMap(one -> base64Encode(one), replay_of),
    rewritten_at > toDateTime64(0, 3, 'UTC') AS is_rewritten
FROM message_archive FINAL
WHERE ({which})
  -- As received, though an erasure has withheld it: an archive that was killed left it, and its next run takes it out.
  AND NOT (rewritten_at = toDateTime64(0, 3, 'UTC') AND (topic_id, partition, offset) IN (SELECT topic_id, partition, offset FROM message_withheld))
ORDER BY topic_id, partition, offset
LIMIT {at_once:UInt32}

-- Messages of a range of one partition of the archive, in order, so many from an offset on. Base 64, because a client may take a String
-- for text. Read by sinks/archive_range.py. Parameters: as archive_partitions.sql; topic_id; at_once.
SELECT
    toString(topic), toString(topic_id), partition, offset, base64Encode(key), base64Encode(value), is_null,
    toUnixTimestamp64Milli(arrived_at), arrayMap(one -> base64Encode(one), replay_of),
    rewritten_at > toDateTime64(0, 3, 'UTC') AS is_rewritten
FROM message_archive FINAL
WHERE topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset BETWEEN {first:UInt64} AND {last:UInt64}
  AND arrived_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND arrived_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
  -- As received, though an erasure has withheld it: an archive that was killed left it, and its next run takes it out.
  AND NOT (rewritten_at = toDateTime64(0, 3, 'UTC') AND (topic_id, partition, offset) IN (SELECT topic_id, partition, offset FROM message_withheld))
ORDER BY offset
LIMIT {at_once:UInt32}

-- Messages at some places, as they may be sent again. Base 64, because a client may take a String for text. Read by sinks/archive_range.py.
SELECT
    toString(topic), toString(topic_id), partition, offset, base64Encode(key), base64Encode(value), is_null,
    toUnixTimestamp64Milli(arrived_at), arrayMap(one -> base64Encode(one), replay_of),
    rewritten_at > toDateTime64(0, 3, 'UTC') AS is_rewritten
FROM message_archive FINAL
WHERE (topic_id, partition, offset) IN
(
    SELECT topic_id, partition, offset
    FROM (SELECT {topic_ids:Array(String)} AS topic_id, {partitions:Array(UInt16)} AS partition, {offsets:Array(UInt64)} AS offset)
    ARRAY JOIN topic_id, partition, offset
)
  -- As received, though an erasure has withheld it: an archive that was killed left it, and its next run takes it out.
  AND NOT (rewritten_at = toDateTime64(0, 3, 'UTC') AND (topic_id, partition, offset) IN (SELECT topic_id, partition, offset FROM message_withheld))

-- Messages at some places, as they stand in the archive. Base 64, because a client may take a String for text. Read by sinks/archive.py.
-- `places`: places.sql.
SELECT
    toString(topic_id), partition, offset, base64Encode(key), base64Encode(value), is_null, arrived_at,
    rewritten_at > toDateTime64(0, 3, 'UTC') AS is_rewritten
FROM message_archive FINAL
WHERE (topic_id, partition, offset) IN ({places})

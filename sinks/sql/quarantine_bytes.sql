-- Messages at some places, as received. Base 64, because a client may take a String for text. Read by sinks/quarantine_trail.py.
-- `places`: places.sql.
SELECT
    toString(topic_id) AS topic_id, partition, offset, base64Encode(key) AS key, base64Encode(value) AS value, is_null,
    toUnixTimestamp64Milli(produced_at) AS arrived_ms
FROM quarantine_message FINAL
WHERE (topic_id, partition, offset) IN ({places})

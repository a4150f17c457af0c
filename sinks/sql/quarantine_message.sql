-- The bytes of one message, as received; of a topic that was made anew the later. Read by sinks/quarantine.py.
-- Base 64, because a client may take a String for text.
SELECT base64Encode(key), base64Encode(value), is_null, produced_at, ingested_at, CAST(topic_id, 'String')
FROM quarantine_message FINAL
WHERE topic = {topic:String} AND partition = {partition:UInt16} AND offset = {offset:UInt64}
ORDER BY ingested_at DESC
LIMIT 1

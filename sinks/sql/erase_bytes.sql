-- Messages in quarantine that hold the bytes of a reference, every version of them. Read by streams/erasing.py.
SELECT
    CAST(topic, 'String') AS topic, CAST(topic_id, 'String') AS topic_id, partition, offset, base64Encode(key) AS key,
    base64Encode(value) AS value, is_null, toUnixTimestamp64Milli(produced_at) AS produced_ms, toUnixTimestamp64Milli(ingested_at) AS ingested_ms
FROM quarantine_message
WHERE quarantine_message.key = {key:String} AND position(quarantine_message.value, {ref:String}) > 0
ORDER BY topic_id, partition, offset

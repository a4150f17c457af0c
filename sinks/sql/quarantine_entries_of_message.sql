-- What of one message is refused. Read by sinks/quarantine.py (`rollcall quarantine show`).
SELECT
    CAST(topic, 'String') AS topic, partition, offset, item, CAST(reason, 'String') AS reason, urn, CAST(source, 'String') AS source,
    session_date, CAST(session, 'String') AS session, detail, ingested_at
FROM quarantine_open
WHERE topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset = {offset:UInt64}
ORDER BY item

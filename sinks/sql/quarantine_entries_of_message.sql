-- What of one message was refused, and how it stands. Read by sinks/quarantine.py (`rollcall quarantine show`).
SELECT
    CAST(topic, 'String') AS topic, partition, offset, item, CAST(reason, 'String') AS reason, urn, CAST(source, 'String') AS source,
    session_date, CAST(session, 'String') AS session, detail, ingested_at, CAST(state, 'String') AS state,
    CAST(first_reason, 'String') AS first_reason, attempts
FROM quarantine_entries
WHERE topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset = {offset:UInt64}
ORDER BY item

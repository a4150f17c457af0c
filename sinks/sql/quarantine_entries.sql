-- The entries of one reason, latest first. Read by sinks/quarantine.py (`rollcall quarantine list --reason`).
SELECT
    CAST(topic, 'String') AS topic, partition, offset, item, CAST(reason, 'String') AS reason, urn, CAST(source, 'String') AS source,
    session_date, CAST(session, 'String') AS session, detail, ingested_at, CAST(state, 'String') AS state,
    CAST(first_reason, 'String') AS first_reason, attempts
FROM quarantine_entries
WHERE reason = {reason:String} AND ({urn:UInt32} = 0 OR urn = {urn:UInt32}) AND state IN {states:Array(String)}
ORDER BY ingested_at DESC, topic, partition, offset, item
LIMIT {limit:UInt32}

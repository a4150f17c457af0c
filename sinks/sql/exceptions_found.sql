-- Where one exception stands; no pupil is named. Read by sinks/exceptions.py (`rollcall quarantine exceptions --exception`).
SELECT session_date, toString(session) AS session, urn, toString(source) AS source, toString(topic) AS topic, partition, offset, item
FROM exceptions_found
WHERE exception = {exception:String} AND session_date BETWEEN {first:Date} AND {last:Date} AND ({urn:UInt32} = 0 OR urn = {urn:UInt32})
ORDER BY session_date, urn, session, topic, partition, offset, item
LIMIT {limit:UInt32}

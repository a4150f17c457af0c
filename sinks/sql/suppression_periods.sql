-- Period marks in force, for the worker's memory: they have no table of their own but the history (rule 7). Read by sinks/writer.py.
SELECT
    urn, toInt32(session_date) AS day, toUInt8(session) AS session, pupil_id, toString(source) AS source, record_id,
    max(mark_event.version) AS version, argMax(content, mark_event.version) AS content, toString(period) AS period
FROM mark_event
WHERE topic_id = {topic_id:String} AND partition IN {partitions:Array(UInt16)} AND session_date IN {days:Array(Date)}
  AND period != '' AND NOT superseded
  AND offset < transform(partition, {partitions:Array(UInt16)}, {below:Array(UInt64)}, toUInt64(0))
GROUP BY urn, session_date, session, pupil_id, source, record_id, period

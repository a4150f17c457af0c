-- Assertions in force, for the worker's memory; rows yet to be read (recovery, a replaced writer) are left out. Read by sinks/writer.py.
-- Where such a row stands, a merge may have taken the assertion before it out of mark_assertion: the history still has it.
SELECT urn, toInt32(session_date) AS day, toUInt8(session) AS session, pupil_id, toString(source) AS source, record_id, version, content
FROM mark_assertion
WHERE topic_id = {topic_id:String} AND partition IN {partitions:Array(UInt16)} AND session_date IN {days:Array(Date)}
  AND offset < transform(partition, {partitions:Array(UInt16)}, {below:Array(UInt64)}, toUInt64(0))
UNION ALL
SELECT
    e.urn, toInt32(e.session_date), toUInt8(e.session), e.pupil_id, toString(e.source), e.record_id,
    max(e.version), argMax(e.content, e.version)
FROM mark_event AS e
WHERE e.topic_id = {topic_id:String} AND e.partition IN {partitions:Array(UInt16)} AND e.session_date IN {days:Array(Date)}
  AND e.offset < transform(e.partition, {partitions:Array(UInt16)}, {below:Array(UInt64)}, toUInt64(0))
  AND e.period = '' AND NOT e.superseded
  AND (e.session_date, e.urn) IN
  (
      SELECT session_date, urn FROM mark_assertion
      WHERE topic_id = {topic_id:String} AND partition IN {partitions:Array(UInt16)} AND session_date IN {days:Array(Date)}
        AND offset >= transform(partition, {partitions:Array(UInt16)}, {below:Array(UInt64)}, toUInt64(0))
  )
GROUP BY e.urn, e.session_date, e.session, e.pupil_id, e.source, e.record_id

-- Assertions in force, for the worker's memory; rows yet to be read (recovery, a replaced writer) are left out. Read by sinks/writer.py.
SELECT urn, toInt32(session_date) AS day, toUInt8(session) AS session, pupil_id, toString(source) AS source, record_id, version, content
FROM mark_assertion
WHERE topic_id = {topic_id:String} AND partition IN {partitions:Array(UInt16)} AND session_date IN {days:Array(Date)}
  AND offset < transform(partition, {partitions:Array(UInt16)}, {below:Array(UInt64)}, toUInt64(0))

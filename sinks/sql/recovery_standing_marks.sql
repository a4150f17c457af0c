-- Marks of a range that stand in the history: their outcome is settled. Dates and schools bound the search. Read by sinks/writer.py.
SELECT
    offset, item, urn, toInt32(session_date) AS day, toUInt8(session) AS session, toString(period) AS period, pupil_id, record_id,
    version, content
FROM mark_event FINAL
WHERE session_date IN {days:Array(Date)} AND urn IN {urns:Array(UInt32)} AND topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64}

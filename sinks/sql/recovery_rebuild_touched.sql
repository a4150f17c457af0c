-- Writes the work list of a recovered range, under the recovery's own batch. Read by sinks/writer.py.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
SELECT {batch:UInt64}, session_date, urn, session, pupil_id
FROM mark_event
WHERE (period = '' OR urn IN (SELECT urn FROM lesson_rule)) AND NOT superseded AND source_kind != 'kiosk' AND session_date IN {days:Array(Date)} AND urn IN {urns:Array(UInt32)} AND topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64}

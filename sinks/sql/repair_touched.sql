-- Puts every key of some schools of a day on the work list of derive. Read by sinks/verify.py.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
SELECT DISTINCT {batch:UInt64}, session_date, urn, session, pupil_id
FROM mark_event
WHERE session_date = {day:Date} AND urn IN {urns:Array(UInt32)} AND (period = '' OR urn IN (SELECT urn FROM lesson_rule)) AND NOT superseded AND source_kind != 'kiosk'

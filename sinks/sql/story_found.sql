-- Where the mark of a delivery belongs. Without a date it looks through the whole history. Read by sinks/mark_stories.py.
SELECT session_date, urn, toString(session), toString(period), pupil_id, toString(source), record_id FROM mark_event
WHERE event_id = {event_id:UInt64} AND (empty({days:Array(Date)}) OR session_date IN {days:Array(Date)})
LIMIT 1

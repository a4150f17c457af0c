-- Which delivery of a pupil and session counts in the live basis, and why. Read by sinks/mark_stories.py.
SELECT pupil_id, event_id, toString(rule) FROM marks_live
WHERE session_date = {day:Date} AND urn = {urn:UInt32} AND session = {session:String} AND pupil_id IN {pupils:Array(UInt64)}

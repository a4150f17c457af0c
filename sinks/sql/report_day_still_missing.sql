-- In the live basis a pupil who has signed in is not missing. A condition of report_day.sql; read by sinks/reports.py.
(session_date, urn, session, pupil_id) NOT IN
(SELECT session_date, urn, session, pupil_id FROM evidence_standing WHERE session_date = {day:Date} AND replaces = '')

-- Session dates with marks of lessons at a school. Read by sinks/lesson_rules.py.
SELECT DISTINCT session_date FROM period_current WHERE urn = {urn:UInt32} AND source_kind != 'kiosk' ORDER BY session_date

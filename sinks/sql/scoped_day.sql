-- A school's day as counted, headline pupils and others apart. Read by rollcall/stack/clickhouse/scoped.py.
SELECT session_date, urn, school_name, in_headline, marks, possible, attendance, authorised, unauthorised, late, unknown, attendance_rate
FROM school_days
WHERE urn IN {schools:Array(UInt32)} AND session_date = {day:Date}
ORDER BY urn, in_headline DESC

-- Sessions of today that have begun, by school: AM is 1, PM is 2. A part of absence_weeks.sql; read by sinks/absence.py.
SELECT urn, groupBitOr(toUInt16(if(session = 'AM', 1, 2))) AS begun
FROM session_counts
WHERE session_date = {today:Date} AND has_begun
GROUP BY urn

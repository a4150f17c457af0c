-- Whose marks count at a school over a span of dates: they add up to the sessions of school_report_days.sql.
-- Read by sinks/school_report.py. Parameters: as in school_report_days.sql.
SELECT m.source AS source, m.source_kind AS kind, count() AS marks, sum(m.is_possible) AS possible, sum(m.is_attendance) AS attendance
FROM marks_current AS m
WHERE m.urn = {urn:UInt32} AND m.session_date BETWEEN {first:Date} AND {last:Date} AND m.has_begun AND (m.in_headline OR {headline:UInt8} = 0)
GROUP BY m.source, m.source_kind
ORDER BY marks DESC, source

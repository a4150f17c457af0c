-- Enrolments with a possible session in a span of dates, and how many of them are persistently absent, by local authority and phase.
-- Filled in: enrolments, absence_enrolments.sql, which has the arithmetic and the parameters. Read by sinks/publishing.py.
SELECT la_code, phase, count(), countIf(is_persistent)
FROM ({enrolments})
GROUP BY la_code, phase

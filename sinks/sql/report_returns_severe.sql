-- Severe absence (rule 25), one row per school and pupil; the amount is of absent sessions. Read by sinks/returns.py.
-- Filled in: enrolments, absence_enrolments.sql, which says what severe is.
SELECT 'severe' AS kind, urn, pupil_id, year_group, toUInt64(absent) AS amount, first_day, last_day
FROM ({enrolments})
WHERE is_severe

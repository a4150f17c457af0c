-- Possible and absent sessions of each enrolment with a possible one, first and last day that counts and the year group of the last. A
-- part of absence_enrolments.sql, one mark at a time; absence_weeks.sql gives the same. Read by sinks/absence.py.
-- Filled in: sessions, absence_sessions.sql, which has the parameters.
SELECT
    urn, pupil_id, min(session_date) AS first_day, max(session_date) AS last_day, argMax(year_group, session_date) AS year_group,
    sum(is_possible) AS possible, sum(is_possible AND NOT is_attendance) AS absent
FROM ({sessions})
GROUP BY urn, pupil_id
HAVING possible > 0

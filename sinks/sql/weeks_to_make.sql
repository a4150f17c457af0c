-- Schools' weeks to make: those of which school_session says something that pupil_week has not seen, in order. marks: about how many.
-- Filled in: seen, weeks_seen.sql, which has the parameters. Read by sinks/weeks.py.
SELECT s.urn AS urn, s.week AS week, s.seen AS seen, s.marks AS marks
FROM ({seen}) AS s
LEFT JOIN
(
    SELECT urn, week, seen, true AS packed FROM pupil_week FINAL WHERE week BETWEEN {first_week:Date} AND {last_week:Date}
) AS p ON p.urn = s.urn AND p.week = s.week
WHERE NOT p.packed OR p.seen != s.seen
ORDER BY week, urn

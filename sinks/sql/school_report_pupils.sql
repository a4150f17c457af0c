-- Possible sessions and absences of each pupil of a school over a span of dates, of those with a possible session (rule 20).
-- Read by sinks/school_report.py, which compares them with the thresholds as integers (rule 19). Basis: statutory.
-- Parameters: as in school_report_days.sql.
SELECT
    m.pupil_id AS pupil_id, argMax(m.year_group, m.session_date) AS year_group, sum(m.is_possible) AS possible,
    sum(m.is_possible AND NOT m.is_attendance) AS absent
FROM marks_current AS m
WHERE m.urn = {urn:UInt32} AND m.session_date BETWEEN {first:Date} AND {last:Date} AND m.has_begun AND (m.in_headline OR {headline:UInt8} = 0)
GROUP BY m.pupil_id
HAVING possible > 0
ORDER BY absent / possible DESC, pupil_id

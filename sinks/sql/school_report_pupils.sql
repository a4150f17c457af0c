-- Possible sessions and absences of each pupil of a school over a span of dates (rule 20), and whether they reach the thresholds.
-- Read by sinks/school_report.py. Filled in: enrolments, absence_enrolments.sql, which has the parameters.
SELECT pupil_id, year_group, possible, absent, is_persistent, is_severe
FROM ({enrolments})
ORDER BY absent / possible DESC, pupil_id

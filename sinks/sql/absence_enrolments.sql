-- Enrolments (school and pupil, rule 20) with at least one possible session in a span of dates: possible and absent sessions, whether
-- persistently or severely absent and in which band, as integers (rule 19). A part of publish_pupils.sql, report_absence.sql and
-- report_returns_severe.sql; read by sinks/absence.py. Filled in: pupils, absence_pupils.sql or the same out of weeks, absence_weeks.sql.
-- An enrolment's place is the school's on the last day that counts, and las names such places.
SELECT
    p.urn AS urn, p.pupil_id AS pupil_id, p.year_group AS year_group, p.possible AS possible, p.absent AS absent,
    p.first_day AS first_day, p.last_day AS last_day,
    10 * p.absent >= p.possible AS is_persistent, 2 * p.absent >= p.possible AS is_severe,
    least(intDiv(20 * p.absent, p.possible), 10) AS band,
    s.school_name AS school_name, s.la_code AS la_code, s.la_name AS la_name, s.region_code AS region_code, s.region_name AS region_name,
    s.trust_id AS trust_id, s.trust_name AS trust_name, s.phase AS phase
FROM
({pupils}) AS p
ASOF LEFT JOIN schools AS s ON s.urn = p.urn AND s.valid_from <= p.last_day
WHERE empty({las:Array(String)}) OR s.la_code IN {las:Array(String)}

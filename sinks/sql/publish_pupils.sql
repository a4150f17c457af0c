-- Enrolments (school and pupil, rule 20) with at least one possible session in a span of dates, and how many of them are
-- persistently absent: 10 x absent >= possible, as integers (rule 19). By local authority and phase. Read by sinks/publishing.py.
SELECT p.la, p.school_phase, count(), countIf(10 * p.absent >= p.possible)
FROM
(
    SELECT
        m.urn AS urn, m.pupil_id AS pupil_id, any(s.la_code) AS la, any(s.phase) AS school_phase,
        sum(c.is_possible) AS possible, sum(c.is_possible AND NOT c.is_attendance) AS absent
    FROM
    (
        SELECT session_date, urn, pupil_id, canonical_code FROM mark_current FINAL
        WHERE session_date BETWEEN {first:Date} AND {last:Date} AND session_date NOT IN {excluded:Array(Date)} AND is_mark AND in_scope
    ) AS m
    ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
    ASOF LEFT JOIN code_categories AS c ON c.canonical_code = m.canonical_code AND c.applies_from <= m.session_date
    WHERE s.in_headline AND m.session_date <= s.valid_to
      AND (empty({las:Array(String)}) OR s.la_code IN {las:Array(String)})
    GROUP BY m.urn, m.pupil_id
    HAVING possible > 0
) AS p
GROUP BY p.la, p.school_phase

-- A school as it was on a day, and the term of that day: the one that had begun last. Read by sinks/school_report.py.
-- Parameters: urn, day, first (of the academic year). One row; `told` 0: nobody told us of the school; `terms` 0: no calendar says.
SELECT
    s.told AS told, s.school_name AS school_name, s.phase AS phase, s.la_name AS la_name, s.trust_name AS trust_name,
    t.terms AS terms, t.term AS term, t.term_first AS term_first
FROM
(
    SELECT
        count() AS told, argMax(f.school_name, known) AS school_name, argMax(f.phase, known) AS phase, argMax(f.la_name, known) AS la_name,
        argMax(f.trust_name, known) AS trust_name
    FROM (SELECT *, (valid_from <= {day:Date}, if(valid_from <= {day:Date}, 1, -1) * toInt32(valid_from)) AS known FROM schools WHERE urn = {urn:UInt32}) AS f
) AS s
CROSS JOIN
(
    SELECT count() AS terms, argMax(name, first_day) AS term, max(first_day) AS term_first
    FROM calendar_term
    WHERE urn = {urn:UInt32} AND first_day BETWEEN {first:Date} AND {day:Date}
      AND (urn, academic_year, taken_at) IN (SELECT urn, academic_year, max(taken_at) FROM calendar_term WHERE urn = {urn:UInt32} GROUP BY ALL)
) AS t

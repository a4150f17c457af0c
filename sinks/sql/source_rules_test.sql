-- What a document of rules would change on a session date: marks by school, from which source and code to which. An empty code is one
-- that no map knows. rebuilt: derive_current.sql by that document. Read by sinks/source_rules.py.
SELECT
    c.urn AS urn, toString(c.source) AS source, toString(c.canonical_code) AS code, toString(r.source) AS other_source,
    toString(r.canonical_code) AS other_code, count() AS marks
FROM (SELECT * FROM mark_current FINAL WHERE session_date = {day:Date} AND sources > 1) AS c
INNER JOIN ({rebuilt}) AS r
    ON c.session_date = r.session_date AND c.urn = r.urn AND c.session = r.session AND c.pupil_id = r.pupil_id
WHERE c.event_id != r.event_id
GROUP BY ALL
ORDER BY urn, source, code, other_source, other_code

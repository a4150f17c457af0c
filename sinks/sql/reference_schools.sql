-- Every school and each span of its facts, the last span last, with its first and last day as known now. Read by the worker
-- (streams/world.py). Of two messages about the same first day of a span the later taken counts. A URN without days is open always.
SELECT
    s.urn AS urn, CAST(s.phase, 'String') AS phase, s.state_funded AS state_funded, CAST(s.status, 'String') AS status,
    CAST(s.la_code, 'String') AS la_code, CAST(s.trust_id, 'String') AS trust_id, s.valid_from AS valid_from, s.valid_to AS valid_to,
    l.opened_on AS opened_on, if(l.urn = 0, toDate('2149-06-06'), l.closed_on) AS closed_on
FROM (SELECT * FROM school FINAL ORDER BY taken_at DESC LIMIT 1 BY urn, valid_from) AS s
LEFT ANY JOIN (SELECT urn, opened_on, closed_on FROM school_life FINAL) AS l ON l.urn = s.urn
ORDER BY urn, valid_from

-- Schools with registers that were expected and never came, the most first. Read by the demo.
SELECT s.school_name AS school, r.urn AS urn, groupArray(concat(r.group_id, ' ', r.session)) AS registers, sum(r.pupils) AS pupils
FROM (SELECT * FROM registers_missing WHERE session_date = {day:Date} ORDER BY urn, session, group_id) AS r
ASOF LEFT JOIN schools AS s ON s.urn = r.urn AND s.valid_from <= r.session_date
GROUP BY school, urn
ORDER BY length(registers) DESC, urn

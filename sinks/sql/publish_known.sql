-- Schools of the headline that were open on a day, and pupils in scope on their rolls, whether or not anything came of them:
-- what a response rate is of. By local authority and phase. Read by sinks/publishing.py.
SELECT s.la_code, s.phase, uniqExact(s.urn), toUInt64(sum(r.pupils))
FROM schools AS s
LEFT JOIN
(
    SELECT urn, toUInt64(count()) AS pupils FROM roll
    WHERE in_scope AND status != 'pre-admission' AND {day:Date} BETWEEN first_day AND last_day
    GROUP BY urn
) AS r ON r.urn = s.urn
WHERE s.in_headline AND s.status = 'open' AND {day:Date} BETWEEN s.valid_from AND s.valid_to
  AND (empty({las:Array(String)}) OR s.la_code IN {las:Array(String)})
GROUP BY s.la_code, s.phase

-- Schools of the headline that reported, and pupils counted on their rolls, by local authority, phase and date. A school
-- reports on a day when a mark of a pupil in scope stands. Read by sinks/publishing.py.
SELECT
    d.session_date, any(s.la_name), any(s.region_code), any(s.region_name), s.la_code, s.phase, uniqExact(d.urn),
    toUInt64(sum(r.pupils))
FROM
(
    SELECT DISTINCT c.session_date AS session_date, c.urn AS urn
    FROM session_counts AS c
    WHERE c.session_date BETWEEN {first:Date} AND {last:Date} AND c.in_headline AND c.has_begun
      AND (empty({las:Array(String)}) OR c.la_code IN {las:Array(String)})
) AS d
LEFT JOIN
(
    SELECT session_date, urn, toUInt64(count()) AS pupils
    FROM
    (
        SELECT urn, toDate(toUInt16(arrayJoin(range(
            greatest(toUInt32(first_day), toUInt32({first:Date})), least(toUInt32(last_day), toUInt32({last:Date})) + 1)))) AS session_date
        FROM roll
        WHERE in_scope AND status != 'pre-admission' AND first_day <= {last:Date} AND last_day >= {first:Date}
    )
    GROUP BY session_date, urn
) AS r ON r.session_date = d.session_date AND r.urn = d.urn
ASOF LEFT JOIN schools AS s ON s.urn = d.urn AND s.valid_from <= d.session_date
GROUP BY d.session_date, s.la_code, s.phase

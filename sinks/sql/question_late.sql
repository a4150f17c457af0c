-- Groups whose register mostly came after it should have closed, and by how much. Read by sinks/questions.py.
-- A register came when its first submission was made, by the source's own time; days without one are question_unmarked.sql's.
SELECT
    r.urn AS urn, any(s.school_name) AS school_name, r.session AS session, r.group AS group, count() AS registers,
    countIf(r.minutes > 0) AS late, toInt32(round(quantileExactIf(0.5)(r.minutes, r.minutes > 0))) AS minutes_median,
    max(r.minutes) AS minutes_most
FROM
(
    SELECT
        e.session_date AS session_date, e.urn AS urn, e.session AS session, e.group_id AS group,
        dateDiff('minute', parseDateTime(concat(toString(e.session_date), ' ', e.closes_at), '%Y-%m-%d %H:%i', 'Europe/London'), c.came_at) AS minutes
    FROM
    (
        SELECT * FROM registers_expected
        WHERE session_date BETWEEN {first:Date} AND {last:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
    ) AS e
    INNER JOIN
    (
        SELECT session_date, urn, toString(session) AS session, group_id, min(asserted_at) AS came_at
        FROM register_receipt FINAL
        WHERE source_kind = 'register' AND period = '' AND accepted + unchanged > 0
          AND session_date BETWEEN {first:Date} AND {last:Date}
        GROUP BY ALL
    ) AS c ON c.session_date = e.session_date AND c.urn = e.urn AND c.session = e.session AND c.group_id = e.group_id
) AS r
ASOF LEFT JOIN (SELECT urn, valid_from, school_name FROM schools) AS s ON s.urn = r.urn AND s.valid_from <= r.session_date
GROUP BY urn, session, group
HAVING registers >= {least:UInt32} AND 100 * late >= {percent:UInt32} * registers AND late > 0
ORDER BY minutes_median DESC, school_name, urn, session, group

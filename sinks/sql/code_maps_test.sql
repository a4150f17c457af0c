-- What a map would change on a session date: marks by school and phase, from which code to which ('' is one that no map knows, '-' no
-- mark), and by how much the sums of the headline's sessions that have begun would differ (rules 14 and 19; basis: statutory).
-- rebuilt: derive_current.sql by that map; counted: code_maps_test_counted.sql. Read by sinks/code_maps.py.
SELECT
    d.urn AS urn, d.phase AS phase, d.was AS was, d.becomes AS becomes, count() AS marks,
    sum(toInt64(d.after * a.is_possible) - d.before * b.is_possible) AS possible,
    sum(toInt64(d.after * a.is_attendance) - d.before * b.is_attendance) AS attendance,
    sum(toInt64(d.after * (a.absence_type = 'authorised')) - d.before * (b.absence_type = 'authorised')) AS authorised,
    sum(toInt64(d.after * (a.absence_type = 'unauthorised')) - d.before * (b.absence_type = 'unauthorised')) AS unauthorised,
    sum(toInt64(d.after * (d.becomes = '')) - d.before * (d.was = '')) AS unknown
FROM
(
    SELECT
        m.session_date AS session_date, m.urn AS urn, s.phase AS phase, m.was AS was, m.becomes AS becomes,
        s.in_headline AND m.session_date <= s.valid_to
            AND if(h.urn = 0, m.session_date < toDate(now('Europe/London')), h.has_begun) AS counts,
        counts AND m.scope_before AND m.was != '-' AS before, counts AND m.scope_after AND m.becomes != '-' AS after
    FROM
    (
        SELECT
            c.session_date AS session_date, c.urn AS urn, toString(c.session) AS session, c.in_scope AS scope_before, r.in_scope AS scope_after,
            if(c.is_mark, toString(c.canonical_code), '-') AS was, if(r.is_mark, toString(r.canonical_code), '-') AS becomes
        FROM (SELECT * FROM mark_current FINAL WHERE session_date = {day:Date} AND (urn, session, pupil_id) IN {counted}) AS c
        INNER JOIN ({rebuilt}) AS r
            ON c.session_date = r.session_date AND c.urn = r.urn AND c.session = r.session AND c.pupil_id = r.pupil_id
        WHERE was != becomes
    ) AS m
    ASOF LEFT JOIN schools AS s ON s.urn = m.urn AND s.valid_from <= m.session_date
    LEFT JOIN (SELECT DISTINCT urn, session, has_begun FROM session_counts WHERE session_date = {day:Date}) AS h
        ON h.urn = m.urn AND h.session = m.session
) AS d
ASOF LEFT JOIN code_categories AS b ON b.canonical_code = d.was AND b.applies_from <= d.session_date
ASOF LEFT JOIN code_categories AS a ON a.canonical_code = d.becomes AND a.applies_from <= d.session_date
GROUP BY urn, phase, was, becomes
ORDER BY urn, was, becomes

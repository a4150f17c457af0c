-- Pupils for whose session two systems say different codes, counted by the register's group and by what lost. Read by sinks/questions.py.
-- The group is that of the expected register a pupil belongs to; empty where no timetable says.
SELECT
    c.session_date AS session_date, c.urn AS urn, any(c.school_name) AS school_name, c.session AS session, g.group_id AS group,
    c.source AS counts, c.canonical_code AS code, c.loser_source AS loses, c.loser_canonical_code AS lost_code, c.rule AS rule,
    uniqExact(c.pupil_id) AS pupils
FROM
(
    SELECT * FROM marks_conflicting
    WHERE session_date BETWEEN {first:Date} AND {last:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
) AS c
LEFT JOIN
(
    SELECT DISTINCT e.session_date AS session_date, e.urn AS urn, e.session AS session, e.group_id AS group_id, m.pupil_id AS pupil_id
    FROM (SELECT * FROM registers_expected WHERE session_date BETWEEN {first:Date} AND {last:Date}) AS e
    INNER JOIN group_members AS m ON m.urn = e.urn
    WHERE (m.group_id = e.group_id OR has(e.groups, m.group_id)) AND e.session_date BETWEEN m.first_day AND m.last_day
) AS g ON g.session_date = c.session_date AND g.urn = c.urn AND g.session = c.session AND g.pupil_id = c.pupil_id
GROUP BY session_date, urn, session, group, counts, code, loses, lost_code, rule
ORDER BY session_date, school_name, urn, session, group, rule, loses

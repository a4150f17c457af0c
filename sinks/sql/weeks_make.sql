-- Make weeks of schools, each as one row. Read by sinks/weeks.py.
-- Filled in: packed, weeks_packed.sql. Parameters: stale; seen: what school_session said of each of them, before the marks are read: a
-- row never claims to have seen more than it has. A week without a mark is a row as well.
INSERT INTO pupil_week (week, urn, seen, made_at, marks, in_scope, year_group, canonical_code, pupil_id, sessions)
SELECT
    w.week, w.urn, w.seen, now64(6), p.total, p.scopes, p.year_groups, p.codes, p.pupil_ids, p.bits
FROM
(
    SELECT one.1 AS urn, one.2 AS week, seen
    FROM (SELECT {stale:Array(Tuple(UInt32, Date))} AS stale, {seen:Array(UInt64)} AS all_seen) ARRAY JOIN stale AS one, all_seen AS seen
) AS w
LEFT JOIN
(
    SELECT
        urn, week, sum(marks) AS total, groupArray(in_scope) AS scopes, groupArray(year_group) AS year_groups,
        groupArray(canonical_code) AS codes, groupArray(pupils) AS pupil_ids, groupArray(marked_by) AS bits
    FROM ({packed})
    GROUP BY urn, week
) AS p ON p.urn = w.urn AND p.week = w.week

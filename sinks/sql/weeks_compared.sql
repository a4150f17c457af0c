-- Schools' weeks as school_session says them (said, marks) and as pupil_week has them (made); counted, packed: whether it has them at all.
-- A part of weeks_stale.sql and weeks_to_make.sql; read by sinks/weeks.py. Filled in: seen, weeks_seen.sql, which has the parameters.
SELECT
    urn, week, sumIf(seen, side = 1) AS said, sumIf(seen, side = 2) AS made, max(side = 1) AS counted, max(side = 2) AS packed,
    said != made OR NOT packed AS differs, sum(marks) AS marks
FROM
(
    SELECT 1 AS side, urn, week, seen, marks FROM ({seen})
    UNION ALL
    SELECT 2 AS side, urn, week, seen, 0 AS marks FROM pupil_week FINAL
    WHERE week BETWEEN {first_week:Date} AND {last_week:Date}
      AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
      AND {of_authorities}
)
GROUP BY urn, week

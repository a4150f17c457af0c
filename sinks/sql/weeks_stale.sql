-- Schools' weeks that are not in pupil_week as school_session says them, and how many weeks there are in all. Read by sinks/weeks.py.
-- Filled in: seen, weeks_seen.sql, which has the parameters.
SELECT groupArrayIf((urn, week), said != made OR NOT counted OR NOT packed) AS stale, count() AS weeks
FROM
(
    SELECT urn, week, sumIf(seen, side = 1) AS said, sumIf(seen, side = 2) AS made, max(side = 1) AS counted, max(side = 2) AS packed
    FROM
    (
        SELECT 1 AS side, urn, week, seen FROM ({seen})
        UNION ALL
        SELECT 2 AS side, urn, week, seen FROM pupil_week FINAL
        WHERE week BETWEEN {first_week:Date} AND {last_week:Date}
          AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
          AND (empty({las:Array(String)}) OR urn IN (SELECT urn FROM school WHERE la_code IN {las:Array(String)}))
    )
    GROUP BY urn, week
)

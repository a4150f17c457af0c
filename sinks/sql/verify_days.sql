-- Session dates that the history or any derived table knows, and how many deliveries of each the history holds, to cut the
-- work into slices that fit in memory. Read by sinks/verify.py.
SELECT session_date, sum(n) AS deliveries
FROM
(
    SELECT session_date, count() AS n FROM mark_event GROUP BY session_date
    UNION ALL SELECT DISTINCT session_date, 0 FROM mark_assertion
    UNION ALL SELECT DISTINCT session_date, 0 FROM mark_current
    UNION ALL SELECT DISTINCT session_date, 0 FROM school_session
    UNION ALL SELECT DISTINCT session_date, 0 FROM period_current
)
WHERE {day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)}
GROUP BY session_date
ORDER BY session_date

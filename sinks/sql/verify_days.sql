-- Session dates that the history or any derived table knows. Read by sinks/verify.py.
SELECT DISTINCT session_date
FROM
(
    SELECT DISTINCT session_date FROM mark_event
    UNION ALL SELECT DISTINCT session_date FROM mark_assertion
    UNION ALL SELECT DISTINCT session_date FROM mark_current
    UNION ALL SELECT DISTINCT session_date FROM school_session
)
WHERE {day:Nullable(Date)} IS NULL OR session_date = {day:Nullable(Date)}
ORDER BY session_date

-- Deliveries of each session date that is asked for, and repeats that decide, to cut the work into slices that fit in memory; and how
-- many of them came after the instant. Read by sinks/as_at_marks.py.
SELECT session_date, count() AS deliveries, countIf(ingested_at > {at}) AS later
FROM
(
    SELECT session_date, ingested_at FROM mark_event WHERE session_date BETWEEN {first} AND {last} AND {schools}
    UNION ALL
    SELECT session_date, ingested_at FROM mark_reassertion WHERE session_date BETWEEN {first} AND {last} AND {schools}
)
GROUP BY session_date
ORDER BY session_date

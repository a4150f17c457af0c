-- Deliveries of each session date that is asked for, to cut the work into slices that fit in memory. Read by sinks/as_at.py.
SELECT session_date, count() AS deliveries
FROM mark_event
WHERE session_date BETWEEN {first:Date} AND {last:Date} AND (empty({urns:Array(UInt32)}) OR urn IN {urns:Array(UInt32)})
GROUP BY session_date
ORDER BY session_date

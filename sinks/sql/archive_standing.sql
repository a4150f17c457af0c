-- What tables hold of deliveries at some places: items in the history, erased from it, or in quarantine. Dates and schools bound the
-- search in the history. Read by sinks/archive_range.py (`rollcall archive replay`).
-- `places`: places.sql.
WITH places AS ({places})
SELECT DISTINCT 'history' AS held, toString(topic_id), partition, offset, toInt64(item)
FROM mark_event
WHERE session_date IN {days:Array(Date)} AND urn IN {urns:Array(UInt32)} AND (topic_id, partition, offset) IN (SELECT * FROM places)
UNION ALL
SELECT DISTINCT 'erased', toString(topic_id), partition, offset, toInt64(item)
FROM erased_mark
WHERE (topic_id, partition, offset) IN (SELECT * FROM places)
UNION ALL
SELECT DISTINCT 'quarantine', toString(topic_id), partition, offset, toInt64(item)
FROM quarantine
WHERE (topic_id, partition, offset) IN (SELECT * FROM places)

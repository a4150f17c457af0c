-- Deliveries of sessions before a day that were taken in after it stay accounted for. Read by sinks/retention.py.
INSERT INTO erased_mark (topic_id, partition, offset, item, ingested_at)
SELECT topic_id, partition, offset, item, ingested_at FROM mark_event
WHERE session_date < {before:Date} AND ingested_at >= toDateTime64({before:Date}, 3, 'UTC')

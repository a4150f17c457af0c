-- How many marks of the messages at some places were accepted, as their receipts say. Read by sinks/archive_range.py.
-- `places`: places.sql.
SELECT toString(topic_id), partition, offset, accepted
FROM register_receipt FINAL
WHERE (topic_id, partition, offset) IN ({places})

-- What was archived while an erasure looked for it goes. Read by sinks/archive.py.
ALTER TABLE message_archive DELETE
WHERE rewritten_at = toDateTime64(0, 3, 'UTC') AND (topic_id, partition, offset) IN (SELECT topic_id, partition, offset FROM message_withheld)

-- `which` of archive_messages.sql: messages at some places. `places`: places.sql. Read by sinks/archive_range.py.
(topic_id, partition, offset) IN ({places})

-- How many messages stand as received although they are withheld. Read by sinks/archive.py.
SELECT count() FROM message_archive
WHERE rewritten_at = toDateTime64(0, 3, 'UTC') AND topic_id IN {topic_ids:Array(String)} AND partition IN {partitions:Array(UInt16)}
  AND offset BETWEEN {first:UInt64} AND {last:UInt64}
  AND (topic_id, partition, offset) IN (SELECT topic_id, partition, offset FROM message_withheld)

-- Places that may not be archived as received, among some partitions between two offsets. Read by sinks/archive.py.
SELECT DISTINCT toString(topic_id), partition, offset FROM message_withheld
WHERE topic_id IN {topic_ids:Array(String)} AND partition IN {partitions:Array(UInt16)} AND offset BETWEEN {first:UInt64} AND {last:UInt64}

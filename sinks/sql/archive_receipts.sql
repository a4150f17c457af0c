-- How many marks of the messages at some places were accepted, as their receipts say. Read by sinks/archive_range.py.
SELECT toString(topic_id), partition, offset, accepted
FROM register_receipt FINAL
WHERE (topic_id, partition, offset) IN
(
    SELECT topic_id, partition, offset
    FROM (SELECT {topic_ids:Array(String)} AS topic_id, {partitions:Array(UInt16)} AS partition, {offsets:Array(UInt64)} AS offset)
    ARRAY JOIN topic_id, partition, offset
)

-- `places`: the places that are asked about, one an element of each parameter: topic_ids, partitions, offsets. Read by sinks/places.py.
SELECT topic_id, partition, offset
FROM (SELECT {topic_ids:Array(String)} AS topic_id, {partitions:Array(UInt16)} AS partition, {offsets:Array(UInt64)} AS offset)
ARRAY JOIN topic_id, partition, offset

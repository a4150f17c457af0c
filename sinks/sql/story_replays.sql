-- Of deliveries that were sent again: where they were delivered first, and by which run they came. Read by sinks/mark_stories.py.
SELECT replayed_topic_id, replayed_partition, replayed_offset, replayed_item, toString(topic_id), partition, offset, item, run
FROM quarantine_trail FINAL
WHERE what = 'judged' AND outcome IN ('accepted', 'unchanged') AND replayed_topic_id IN {topic_ids:Array(String)}
  AND replayed_partition IN {partitions:Array(UInt16)} AND replayed_offset IN {offsets:Array(UInt64)}

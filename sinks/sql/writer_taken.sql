-- Entries of quarantine, and marks out of the archive, that a replay has brought in, and which replay. Read by sinks/writer.py, for batches that hold replays.
SELECT
    toString(topic_id) AS topic_id, partition, offset, item, toString(replayed_topic_id) AS replayed_topic_id,
    replayed_partition, replayed_offset
FROM quarantine_trail
WHERE what = 'judged' AND outcome IN ('unchanged', 'accepted')
  AND topic_id IN {topic_ids:Array(String)} AND partition IN {partitions:Array(UInt16)} AND offset IN {offsets:Array(UInt64)}

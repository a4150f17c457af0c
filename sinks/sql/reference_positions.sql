-- How far the reference topics are applied. Read by the loader when it starts, and by the worker before its first mark.
SELECT CAST(topic_id, 'String') AS topic_id, partition, max(next_offset) AS next_offset
FROM reference_position
GROUP BY topic_id, partition

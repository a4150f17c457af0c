-- How far each partition of a consumer group is DONE, and what became of its marks. Read by the demo and the torture while they wait.
SELECT
    CAST(topic_id, 'String') AS topic_id, partition, min(first_offset) AS first, max(last_offset) + 1 AS next,
    sum(last_offset - first_offset + 1) AS taken, sum(marks) AS marks
FROM ledger FINAL
WHERE consumer_group = {group:String} AND state = 'DONE'
GROUP BY topic_id, partition

-- The DONE ranges of partitions of a topic as contiguous spans, few however long the worker has run. Read by sinks/ledger.py.
SELECT partition, min(first_offset) AS first, max(last_offset) AS last, max(ingested_ms) AS ingested
FROM
(
    SELECT
        partition, first_offset, last_offset, ingested_ms,
        sum(begins) OVER (PARTITION BY partition ORDER BY first_offset, last_offset ROWS UNBOUNDED PRECEDING) AS span
    FROM
    (
        SELECT
            partition, first_offset, last_offset, toUnixTimestamp64Milli(ingested_at) AS ingested_ms,
            first_offset > 1 + max(last_offset) OVER
                (PARTITION BY partition ORDER BY first_offset, last_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS begins
        FROM ledger FINAL
        WHERE consumer_group = {group:String} AND topic_id = {topic_id:String} AND partition IN {partitions:Array(UInt16)} AND state = 'DONE'
    )
)
GROUP BY partition, span
ORDER BY partition, first

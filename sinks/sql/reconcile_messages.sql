-- What the tables, and nothing but the tables, hold of each message of some partitions. Read by sinks/reconcile.py.
-- A mark that stands in the history and in quarantine counts as history (in_both). A delivery that was erased on purpose
-- is accounted for (erased_mark), and nothing is asked of what was taken in before retention's day.
WITH
    (SELECT toDateTime64(max(before), 3, 'UTC') FROM erasure WHERE kind = 'retention') AS kept_from,
    history AS
    (
        SELECT topic_id, partition, offset, item FROM mark_event
        WHERE (topic_id, partition) IN {places:Array(Tuple(String, UInt16))} AND ingested_at >= kept_from
        UNION ALL
        SELECT topic_id, partition, offset, item FROM erased_mark
        WHERE (topic_id, partition) IN {places:Array(Tuple(String, UInt16))} AND ingested_at >= kept_from
    )
SELECT
    CAST(topic_id, 'String') AS topic_id,
    partition,
    offset,
    toInt64(sum(decoded)) AS decoded,
    toInt64(sum(undecodable)) AS undecodable,
    toInt64(sum(marks)) AS marks,
    toInt64(sum(accepted)) AS accepted,
    toInt64(sum(unchanged)) AS unchanged,
    toInt64(sum(quarantined)) AS quarantined,
    toInt64(sum(in_both)) AS in_both
FROM
(
    SELECT
        topic_id, partition, offset, 1 AS decoded, 0 AS undecodable, marks, 0 AS accepted, unchanged, 0 AS quarantined,
        0 AS in_both
    FROM register_receipt FINAL
    WHERE (topic_id, partition) IN {places:Array(Tuple(String, UInt16))} AND ingested_at >= kept_from
    UNION ALL
    SELECT topic_id, partition, offset, 0, 0, 0, uniqExact(item), 0, 0, 0
    FROM history
    GROUP BY topic_id, partition, offset
    UNION ALL
    SELECT topic_id, partition, offset, 0, item = -1, 0, 0, 0, item >= 0 AND NOT in_history, item >= 0 AND in_history
    FROM
    (
        SELECT topic_id, partition, offset, item, (topic_id, partition, offset, toInt64(item)) IN
            (
                SELECT topic_id, partition, offset, toInt64(item) FROM history WHERE (topic_id, partition, offset) IN
                (
                    SELECT topic_id, partition, offset FROM quarantine
                    WHERE (topic_id, partition) IN {places:Array(Tuple(String, UInt16))}
                )
            ) AS in_history
        FROM quarantine FINAL
        WHERE (topic_id, partition) IN {places:Array(Tuple(String, UInt16))} AND ingested_at >= kept_from
    )
)
GROUP BY topic_id, partition, offset
ORDER BY topic_id, partition, offset

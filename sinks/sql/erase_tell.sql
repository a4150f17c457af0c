-- Says that the rosters of some schools changed, so that workers read their crosswalk again. Read by sinks/erasure.py.
INSERT INTO reference_version (kind, key, taken_at, digest, topic_id, partition, offset, applied_at)
SELECT kind, key, taken_at, digest, topic_id, partition, offset, now64(6)
FROM reference_version FINAL
WHERE kind = 'roster' AND (key, taken_at) IN
    (SELECT key, max(taken_at) FROM reference_version WHERE kind = 'roster' AND toUInt32OrZero(key) IN {urns:Array(UInt32)} GROUP BY key)

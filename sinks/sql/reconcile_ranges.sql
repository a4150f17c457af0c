-- A group's ledger, from retention's day on. Read by sinks/reconcile.py.
SELECT
    CAST(topic_id, 'String') AS topic_id, partition,
    CAST(state, 'String') AS state, first_offset, last_offset, epoch, messages, decoded, undecodable, no_record,
    marks, accepted, unchanged, quarantined
FROM ledger FINAL
WHERE consumer_group = {group:String}
  AND ingested_at >= (SELECT toDateTime64(max(before), 3, 'UTC') FROM erasure WHERE kind = 'retention')
ORDER BY topic_id, partition, first_offset, last_offset, epoch

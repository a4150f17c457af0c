-- The ledger of one partition, from retention's day on. Read by sinks/reconcile.py.
SELECT
    CAST(state, 'String') AS state, first_offset, last_offset, epoch, messages, decoded, undecodable, no_record,
    marks, accepted, unchanged, quarantined
FROM ledger FINAL
WHERE consumer_group = {group:String} AND topic_id = {topic_id:String} AND partition = {partition:UInt16}
  AND ingested_at >= (SELECT toDateTime64(max(before), 3, 'UTC') FROM erasure WHERE kind = 'retention')
ORDER BY first_offset, last_offset, epoch

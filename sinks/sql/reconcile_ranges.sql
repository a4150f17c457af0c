-- The ledger of one partition. Read by sinks/reconcile.py.
SELECT
    CAST(state, 'String') AS state, first_offset, last_offset, epoch, messages, decoded, undecodable, no_record,
    marks, accepted, unchanged, quarantined
FROM ledger FINAL
WHERE consumer_group = {group:String} AND topic_id = {topic_id:String} AND partition = {partition:UInt16}
ORDER BY first_offset, last_offset, epoch

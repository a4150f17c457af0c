-- The PENDING ranges of partitions of a topic. Read by sinks/ledger.py when a worker takes them over.
SELECT
    topic, topic_id, partition, first_offset, last_offset, epoch, batch, toUnixTimestamp64Milli(ingested_at), digest,
    map_version, decoded, undecodable, no_record, marks, accepted, unchanged, quarantined
FROM ledger FINAL
WHERE consumer_group = {group:String} AND topic_id = {topic_id:String} AND partition IN {partitions:Array(UInt16)} AND state = 'PENDING'
ORDER BY partition, first_offset, epoch

-- The latest epoch of partitions: a writer whose own is older has been replaced. Read by sinks/ledger.py.
SELECT topic_id, partition, max(epoch) FROM epoch_claim
WHERE consumer_group = {group:String} AND topic_id IN {topic_ids:Array(String)} AND partition IN {partitions:Array(UInt16)}
GROUP BY topic_id, partition

-- Claims an epoch for partitions, in one block; the insert's token makes it a compare-and-set. Read by sinks/ledger.py.
INSERT INTO epoch_claim (consumer_group, topic_id, partition, epoch, worker)
SELECT {group:String}, topic_id, partition, {epoch:UInt64}, {worker:String}
FROM (SELECT {topic_ids:Array(String)} AS topic_id, {partitions:Array(UInt16)} AS partition)
ARRAY JOIN topic_id, partition

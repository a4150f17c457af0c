-- Whose claims of epochs stand: the earliest row of each, should two ever stand. Read by sinks/ledger.py.
SELECT topic_id, partition, epoch, argMin(worker, (at, worker)) FROM epoch_claim
WHERE
    consumer_group = {group:String} AND topic_id IN {topic_ids:Array(String)} AND partition IN {partitions:Array(UInt16)}
    AND epoch IN {epochs:Array(UInt64)}
GROUP BY topic_id, partition, epoch

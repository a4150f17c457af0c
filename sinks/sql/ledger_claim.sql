-- Claims an epoch of a partition; the insert's token makes it a compare-and-set. Read by sinks/ledger.py.
INSERT INTO epoch_claim (consumer_group, topic_id, partition, epoch, worker)
SELECT {group:String}, {topic_id:String}, {partition:UInt16}, {epoch:UInt64}, {worker:String}

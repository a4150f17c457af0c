-- Whose claim of an epoch stands: the earliest row, should two ever stand. Read by sinks/ledger.py.
SELECT worker FROM epoch_claim
WHERE consumer_group = {group:String} AND topic_id = {topic_id:String} AND partition = {partition:UInt16} AND epoch = {epoch:UInt64}
ORDER BY at, worker LIMIT 1

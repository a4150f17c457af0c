-- Whose claim of an epoch stands: the earliest row, should two ever stand. Read by sinks/ledger.py.
SELECT worker FROM epoch_claim
WHERE consumer_group = {group:String} AND epoch = {epoch:UInt64}
ORDER BY at, worker LIMIT 1

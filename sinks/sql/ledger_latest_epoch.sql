-- The latest epoch of a consumer group, 0 before its first. Read by sinks/ledger.py.
SELECT max(epoch) FROM epoch_claim WHERE consumer_group = {group:String}

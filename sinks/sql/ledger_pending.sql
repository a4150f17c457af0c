-- Ranges begun and not finished: metric ledger_pending. Read by sinks/ledger.py.
SELECT count() FROM ledger FINAL WHERE consumer_group = {group:String} AND state = 'PENDING'

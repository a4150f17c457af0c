-- How many messages and marks can be read: two counts that cost nothing, many times a second. Read by benchmarks/freshness.py.
SELECT (SELECT count() FROM register_receipt), (SELECT count() FROM mark_current)

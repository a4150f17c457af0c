-- Batches whose receipts can be read: their history was written before. Read by benchmarks/freshness.py, many times a second.
SELECT DISTINCT batch FROM register_receipt

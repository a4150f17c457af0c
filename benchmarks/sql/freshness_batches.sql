-- Batches in the order in which they were written: messages, new marks, and when their counts stood (the DONE row). Microseconds
-- since 1970. Read by benchmarks/freshness.py.
SELECT r.batch AS batch, r.messages, r.accepted, toUnixTimestamp64Micro(d.at) AS done_at
FROM
(
    SELECT batch, any(ingested_at) AS taken_in, count() AS messages, sum(register_receipt.accepted) AS accepted
    FROM register_receipt FINAL GROUP BY batch
) AS r
INNER JOIN (SELECT batch, max(at) AS at FROM ledger WHERE state = 'DONE' GROUP BY batch) AS d ON r.batch = d.batch
ORDER BY r.taken_in

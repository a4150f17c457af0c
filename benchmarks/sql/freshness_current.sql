-- Per message: its batch, when Kafka took it in, and when its marks were in mark_current and school_session (its DONE row, which
-- is written after them). Microseconds since 1970. Read by benchmarks/freshness.py.
SELECT r.batch AS batch, toUnixTimestamp64Milli(r.produced_at) * 1000 AS produced, toUnixTimestamp64Micro(d.at) AS current_at
FROM register_receipt AS r FINAL
INNER JOIN (SELECT batch, max(at) AS at FROM ledger WHERE state = 'DONE' GROUP BY batch) AS d ON r.batch = d.batch

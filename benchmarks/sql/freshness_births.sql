-- Per message: its batch, and when Kafka took it in. Microseconds since 1970. Read by benchmarks/freshness.py.
SELECT batch, toUnixTimestamp64Milli(produced_at) * 1000 FROM register_receipt FINAL

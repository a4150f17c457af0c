-- Messages that re-asserted some assertions of a pupil without a change, as their receipts say. Read by streams/repeated.py.
SELECT toString(source), toString(topic), partition, offset, asserted_at, ingested_at FROM register_receipt FINAL
WHERE urn = {urn:UInt32} AND hasAny(unchanged_keys, {keys:Array(UInt64)})
ORDER BY ingested_at, topic, partition, offset

-- The places of a pupil's deliveries, so that they stay accounted for. Harmless when repeated. Read by sinks/erasure.py.
INSERT INTO erased_mark (topic_id, partition, offset, item, ingested_at)
SELECT topic_id, partition, offset, item, ingested_at FROM mark_event WHERE pupil_id = {pupil:UInt64}

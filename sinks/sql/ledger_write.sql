-- Rows of the ledger; the values follow. Read by sinks/ledger.py.
INSERT INTO ledger
(
    consumer_group, topic, topic_id, partition, first_offset, last_offset, epoch, batch, ingested_at, digest, map_version, state,
    messages, decoded, undecodable, no_record, marks, accepted, unchanged, quarantined
)

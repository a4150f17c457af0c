-- Read by the simulated estate's judge: what became of each decoded message.
SELECT topic, toUInt16(partition) AS partition, offset, urn, source, submission_id, marks, accepted, unchanged, quarantined
FROM register_receipt FINAL

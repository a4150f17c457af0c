-- Read by the simulated estate's judge: messages that hold something refused, as a digest of their bytes.
SELECT topic, toUInt16(partition) AS partition, offset, is_null, lower(hex(SHA256(value))) AS digest
FROM quarantine_message FINAL

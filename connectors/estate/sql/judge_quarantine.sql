-- Read by the simulated estate's judge: everything refused.
SELECT topic, toUInt16(partition) AS partition, offset, item, reason
FROM quarantine FINAL

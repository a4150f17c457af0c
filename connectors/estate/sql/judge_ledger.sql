-- Read by the simulated estate's judge: ranges taken from Kafka by one consumer group.
SELECT topic, toUInt16(partition) AS partition, first_offset, last_offset, epoch, toString(state) AS state, decoded, undecodable, no_record,
       marks, accepted, unchanged, quarantined
FROM ledger FINAL
WHERE consumer_group = {group:String} AND state != 'SUPERSEDED'
ORDER BY topic, partition, first_offset, epoch

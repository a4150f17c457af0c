-- For how many days messages are kept, as the table says it; 0 when it says nothing of the kind. Read by sinks/archive.py.
SELECT toUInt32OrZero(extract(create_table_query, 'TTL toDateTime\\(arrived_at\\) \\+ toIntervalDay\\((\\d+)\\)'))
FROM system.tables WHERE database = currentDatabase() AND name = 'message_archive'

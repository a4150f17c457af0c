-- `which` of archive_messages.sql: a range of one partition. Parameters: as archive_partitions.sql; topic_id. Read by sinks/archive_range.py.
topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset BETWEEN {first:UInt64} AND {last:UInt64}
AND arrived_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND arrived_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')

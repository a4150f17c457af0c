-- What a range of the archive holds, partition by partition: the older of two topics of one name first. Read by sinks/archive_range.py.
-- Parameters: topic; partition (-1: any); first, last: offsets; since, until (exclusive): arrival, ms since 1970.
SELECT toString(topic), toString(topic_id), partition, min(offset), max(offset)
FROM message_archive
WHERE topic = {topic:String} AND ({partition:Int32} < 0 OR partition = {partition:Int32})
  AND offset BETWEEN {first:UInt64} AND {last:UInt64}
  AND arrived_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND arrived_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')
GROUP BY topic, topic_id, partition
ORDER BY topic, min(arrived_at), topic_id, partition

-- Open entries that a filter meets, message by message in the order of their first delivery, and why some are left alone.
-- Read by sinks/quarantine_trail.py (`rollcall quarantine replay`, `discard`). since, lost_before: ms since 1970.
SELECT
    toString(topic) AS topic, toString(topic_id) AS topic_id, partition, offset,
    multiIf(
        toUnixTimestamp64Milli(sent_at) > {lost_before:Int64}, 'on_their_way',
        {any_topic:Bool}, '',
        toString(topic) NOT IN {topics:Array(String)}, 'of_other_topics',
        reason = 'bad_replay', 'bad_replays', ''
    ) AS left_because,
    arraySort(groupArray(item)) AS items
FROM quarantine_entries
WHERE state = 'open'
  AND ({reason:String} = '' OR reason = {reason:String}) AND ({source:String} = '' OR source = {source:String})
  AND ({urn:UInt32} = 0 OR urn = {urn:UInt32}) AND toUnixTimestamp64Milli(ingested_at) >= {since:Int64}
GROUP BY topic, topic_id, partition, offset, left_because
ORDER BY topic, min(ingested_at), topic_id, partition, offset

-- Where the message was first delivered that is sent again at this place. Read by sinks/quarantine.py (`rollcall quarantine show`).
SELECT partition, offset FROM quarantine_trail
WHERE replayed_partition = {partition:UInt16} AND replayed_offset = {offset:UInt64} AND what != 'discarded'
  AND topic_id IN (SELECT topic_id FROM quarantine WHERE topic = {topic:String})
ORDER BY at DESC
LIMIT 1

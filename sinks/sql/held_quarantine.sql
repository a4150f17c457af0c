-- The messages of one source and school of which something is refused for now: their bytes, and per entry its item and reason.
-- An entry without a readable date may be of any day. As in quarantine_open, what stands in the history too is not
-- refused, nor what a replay has brought in; asked of one school, it is not looked up for all. Base 64, because a client may take a String for text.
-- Read by sinks/held.py (`rollcall reconcile --source`).
SELECT base64Encode(any(m.value)) AS value, groupArray(q.item) AS items, groupArray(q.reason) AS reasons
FROM
(
    SELECT topic_id, partition, offset, item, CAST(reason, 'String') AS reason
    FROM quarantine FINAL
    WHERE urn = {urn:UInt32} AND source = {source:String} AND topic = {topic:String}
      AND (session_date BETWEEN {first:Date} AND {last:Date} OR session_date = toDate(0))
      AND (topic_id, partition, offset, toInt64(item)) NOT IN
      (
          SELECT topic_id, partition, offset, toInt64(item) FROM mark_event
          WHERE session_date BETWEEN {first:Date} AND {last:Date} AND urn = {urn:UInt32} AND source = {source:String}
      )
      AND (topic_id, partition, offset, item) NOT IN
      (
          SELECT topic_id, partition, offset, item FROM quarantine_trail WHERE outcome IN ('unchanged', 'accepted')
      )
) AS q
INNER JOIN
(
    SELECT topic_id, partition, offset, value
    FROM quarantine_message FINAL
    WHERE NOT is_null AND (topic_id, partition, offset) IN
    (
        SELECT topic_id, partition, offset FROM quarantine WHERE urn = {urn:UInt32} AND source = {source:String}
    )
) AS m ON q.topic_id = m.topic_id AND q.partition = m.partition AND q.offset = m.offset
GROUP BY q.topic_id, q.partition, q.offset
ORDER BY q.topic_id, q.partition, q.offset

-- Assertions of some dates that were said again unchanged: key and the version of the latest time. Read by sinks/writer.py.
-- A page without a window may speak of any date; keys of other dates are harmless, the worker has no assertion for them.
SELECT key, max(version) AS version
FROM register_receipt
ARRAY JOIN unchanged_keys AS key
WHERE topic_id = {topic_id:String} AND partition IN {partitions:Array(UInt16)}
  AND (source_kind != 'mis' AND session_date IN {days:Array(Date)}
       OR source_kind = 'mis' AND session_date <= arrayMax({days:Array(Date)})
          AND (window_to < session_date OR window_to >= arrayMin({days:Array(Date)})))
  AND offset < transform(partition, {partitions:Array(UInt16)}, {below:Array(UInt64)}, toUInt64(0))
GROUP BY key

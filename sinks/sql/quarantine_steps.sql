-- All that was done about the entries of one message. Read by sinks/quarantine_trail.py (`rollcall quarantine show`).
SELECT
    item, toString(what) AS what, at, run, toString(by) AS by, toString(outcome) AS outcome, why, replayed_partition, replayed_offset
FROM quarantine_attempts
WHERE topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset = {offset:UInt64}
ORDER BY item, at, replayed_offset, what = 'judged'

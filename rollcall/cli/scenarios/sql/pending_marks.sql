-- Marks of one school that stand in the history although their range is not DONE, by pupil reference. Read by the torture.
SELECT CAST(pupil_scheme, 'String') AS scheme, pupil_ref, count() AS marks
FROM mark_event AS e FINAL
INNER JOIN (SELECT * FROM ledger FINAL WHERE consumer_group = {group:String} AND state = 'PENDING') AS l
    ON l.topic_id = e.topic_id AND l.partition = e.partition
WHERE e.urn = {urn:UInt32} AND e.offset BETWEEN l.first_offset AND l.last_offset
GROUP BY scheme, pupil_ref

-- Of messages that a run wrote again without a pupil, all that is older goes. Read by streams/erasing.py.
ALTER TABLE quarantine_message DELETE
WHERE batch != {run:UInt64} AND (topic_id, partition, offset) IN
    (SELECT topic_id, partition, offset FROM quarantine_message WHERE batch = {run:UInt64})

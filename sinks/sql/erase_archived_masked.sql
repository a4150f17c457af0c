-- Of messages that an erasure wrote again, all that is older goes. Read by streams/erasing_archive.py.
ALTER TABLE message_archive DELETE
WHERE rewritten_at < {run:DateTime64(3)} AND (topic_id, partition, offset) IN
    (SELECT topic_id, partition, offset FROM message_archive WHERE rewritten_at = {run:DateTime64(3)})

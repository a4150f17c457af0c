-- Messages of the archive that hold the bytes of a reference, every version of them. Read by streams/erasing_archive.py.
SELECT
    toString(topic), toString(topic_id), partition, offset, base64Encode(key), base64Encode(value), is_null,
    arrayMap(one -> base64Encode(one), replay_of), toUnixTimestamp64Milli(arrived_at), toUnixTimestamp64Milli(archived_at)
FROM message_archive
WHERE urn = {urn:UInt32} AND position(value, {ref:String}) > 0
ORDER BY topic_id, partition, offset

-- Counts of a range out of the tables themselves; a mark in both history and quarantine counts as history. Read by sinks/writer.py.
WITH
    accepted AS (SELECT DISTINCT offset, toInt32(item) AS item FROM mark_event WHERE session_date IN {days:Array(Date)} AND urn IN {urns:Array(UInt32)} AND topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64}),
    refused AS (SELECT DISTINCT offset, item FROM quarantine WHERE topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64})
SELECT
    (SELECT uniqExact(offset) FROM register_receipt WHERE topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64}) AS decoded,
    (SELECT sum(m) FROM (SELECT offset, any(marks) AS m FROM register_receipt WHERE topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64} GROUP BY offset)) AS marks,
    (SELECT count() FROM accepted) AS accepted,
    (SELECT count() FROM refused WHERE item >= 0 AND (offset, item) NOT IN (SELECT offset, item FROM accepted)) AS quarantined,
    (SELECT count() FROM refused WHERE item < 0) AS undecodable

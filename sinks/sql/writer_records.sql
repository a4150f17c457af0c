-- Where records of a source stand, for deletions: one row a place. Read by sinks/writer.py.
SELECT DISTINCT
    urn, toString(source) AS source, record_id, toInt32(session_date) AS day, toUInt8(session) AS session,
    toString(period) AS period, pupil_id, toString(year_group) AS year_group, in_scope
FROM mark_event
WHERE urn IN {urns:Array(UInt32)} AND source IN {sources:Array(String)} AND record_id IN {record_ids:Array(String)} AND NOT deleted

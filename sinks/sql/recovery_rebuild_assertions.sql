-- Writes the assertions of a range again from its history: the same rows as mark_assertion_view (0002_current.sql). Read by sinks/writer.py.
INSERT INTO mark_assertion
(
    session_date, urn, session, pupil_id, source, source_kind, record_id, code_scheme, raw_code, minutes_late, deleted,
    asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id, topic_id, partition, offset
)
SELECT
    session_date, urn, session, pupil_id, source, source_kind, record_id, code_scheme, raw_code, minutes_late, deleted,
    asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id, topic_id, partition, offset
FROM mark_event FINAL
WHERE period = '' AND NOT superseded AND session_date IN {days:Array(Date)} AND urn IN {urns:Array(UInt32)} AND topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64}

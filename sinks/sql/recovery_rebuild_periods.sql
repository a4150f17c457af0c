-- Writes the lesson marks of a range again from its history: the same rows as period_current_view (0025_periods.sql). Read by sinks/writer.py.
INSERT INTO period_current
(
    session_date, urn, session, period, pupil_id, source, source_kind, record_id, group_id, code_scheme, raw_code, minutes_late, deleted,
    asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id
)
SELECT
    session_date, urn, session, period, pupil_id, source, source_kind, record_id, group_id, code_scheme, raw_code, minutes_late, deleted,
    asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id
FROM mark_event FINAL
WHERE period != '' AND NOT superseded AND session_date IN {days:Array(Date)} AND urn IN {urns:Array(UInt32)} AND topic_id = {topic_id:String} AND partition = {partition:UInt16} AND offset >= {first:UInt64} AND offset <= {last:UInt64}

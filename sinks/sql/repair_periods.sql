-- Writes the lesson marks of some schools of a day again from the history; the greatest version of each stands. Read by sinks/verify.py.
INSERT INTO period_current
(
    session_date, urn, session, period, pupil_id, source, source_kind, record_id, group_id, code_scheme, raw_code, minutes_late, deleted,
    asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id
)
SELECT
    session_date, urn, session, period, pupil_id, source, source_kind, record_id, group_id, code_scheme, raw_code, minutes_late, deleted,
    asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id
FROM mark_event FINAL
WHERE session_date = {day:Date} AND urn IN {urns:Array(UInt32)} AND period != '' AND NOT superseded

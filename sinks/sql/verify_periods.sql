-- period_current, rebuilt from the history for a slice of days and schools: the latest mark of each record and lesson; of two with one
-- version the one later in Kafka, as in the table. Read by sinks/verify.py and sinks/as_at.py.
(
    SELECT
        session_date, urn, session, period, pupil_id, source, source_kind, record_id, group_id, code_scheme, raw_code, minutes_late, deleted,
        asserted_at, version, ingested_at, exceptions, year_group, in_scope, content, event_id
    FROM mark_event FINAL
    WHERE session_date BETWEEN {first_day:Date} AND {last_day:Date} AND urn BETWEEN {first:UInt32} AND {last:UInt32} AND period != '' AND NOT superseded
    ORDER BY version DESC, offset DESC, item DESC
    LIMIT 1 BY session_date, urn, session, period, pupil_id, source, record_id
)

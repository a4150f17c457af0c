-- Read by the simulated estate's judge: the latest assertion of each record of each source.
SELECT urn, pupil_id, session_date, toString(session) AS session, '' AS period, source, record_id, raw_code, deleted, version, event_id
FROM mark_assertion FINAL

-- Read by the simulated estate's judge: the latest mark of each record of each source for a lesson.
SELECT urn, pupil_id, session_date, toString(session) AS session, period, source, record_id, raw_code, deleted, version, event_id
FROM period_current FINAL

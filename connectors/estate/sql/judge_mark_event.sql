-- Read by the simulated estate's judge: every delivery in the history.
SELECT topic, toUInt16(partition) AS partition, offset, item, urn, pupil_id, session_date, toString(session) AS session, period,
       source, record_id, code_scheme, raw_code, canonical_code, minutes_late, deleted, superseded,
       toUnixTimestamp64Milli(asserted_at) AS asserted_ms, version, exceptions, event_id
FROM mark_event FINAL

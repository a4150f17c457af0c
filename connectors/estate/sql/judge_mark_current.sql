-- Read by the simulated estate's judge: the mark that stands for each pupil and session.
SELECT urn, pupil_id, session_date, toString(session) AS session, source, raw_code, canonical_code, minutes_late, sources,
       year_group, in_scope, event_id
FROM mark_current FINAL
WHERE is_mark

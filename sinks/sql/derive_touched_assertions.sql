-- `assertions` of derive_current.sql for the keys of several. FINAL reads the schools of those keys only.
(
    SELECT * FROM mark_assertion FINAL
    WHERE (session_date, urn) IN (SELECT DISTINCT arrayJoin(places) FROM {several})
      AND bitXor(pupil_id, toUInt64(session)) IN (SELECT key FROM {several})
)

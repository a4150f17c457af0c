-- The keys of one date that rederive_aliases_days.sql means, put on the work list of derive. Read by sinks/derive.py.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
SELECT DISTINCT {batch:UInt64}, session_date, urn, session, pupil_id
FROM {said}
WHERE session_date = {day:Date} AND source_kind != 'kiosk' AND pupil_id IN {pupils:Array(UInt64)}
  AND urn IN (SELECT urn FROM crosswalk WHERE pupil_id IN {pupils:Array(UInt64)})
  AND (ingested_at > now() - INTERVAL 1 MINUTE OR (session_date, urn, session, pupil_id) NOT IN
  (
    SELECT session_date, urn, session, pupil_id FROM mark_current FINAL
    WHERE session_date = {day:Date} AND pupil_id IN {pupils:Array(UInt64)} AND urn IN (SELECT urn FROM crosswalk WHERE pupil_id IN {pupils:Array(UInt64)})
      AND bitShiftRight(derived_version, 64) >= transform(pupil_id, {pupils:Array(UInt64)}, {numbers:Array(UInt64)}, toUInt64(0))
  ))

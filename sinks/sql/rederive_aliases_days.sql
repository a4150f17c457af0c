-- Session dates with assertions of pupils whom an alias concerns and who were not derived since. The crosswalk names their schools, which
-- keeps the search narrow. What came within the last minute is derived whatever it says: a worker that had not yet heard of the alias may
-- have taken a mark of the other pupil for the first. Read by sinks/derive.py.
SELECT DISTINCT session_date
FROM {said}
WHERE source_kind != 'kiosk' AND pupil_id IN {pupils:Array(UInt64)}
  AND urn IN (SELECT urn FROM crosswalk WHERE pupil_id IN {pupils:Array(UInt64)})
  AND (ingested_at > now() - INTERVAL 1 MINUTE OR (session_date, urn, session, pupil_id) NOT IN
  (
    SELECT session_date, urn, session, pupil_id FROM mark_current FINAL
    WHERE pupil_id IN {pupils:Array(UInt64)} AND urn IN (SELECT urn FROM crosswalk WHERE pupil_id IN {pupils:Array(UInt64)})
      AND bitShiftRight(derived_version, 64) >= transform(pupil_id, {pupils:Array(UInt64)}, {numbers:Array(UInt64)}, toUInt64(0))
  ))
ORDER BY session_date

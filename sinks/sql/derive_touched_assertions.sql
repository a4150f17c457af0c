-- `assertions` of derive_current.sql for the keys that some batches touched. Read by sinks/derive.py.
-- The second condition is coarser than the key (it leaves the date out) and one number wide: 2x cheaper than the exact tuple,
-- and deriving a key that nobody touched changes nothing.
(
    SELECT * FROM mark_assertion FINAL
    WHERE (session_date, urn) IN (SELECT DISTINCT session_date, urn FROM touched WHERE batch IN {batches:Array(UInt64)})
      AND bitXor(pupil_id, toUInt64(session)) IN
          (SELECT bitXor(pupil_id, toUInt64(session)) FROM touched WHERE batch IN {batches:Array(UInt64)})
)

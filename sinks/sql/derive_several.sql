-- Touched keys with more than one row in mark_assertion (other records or sources, versions not merged yet), kiosks aside. Read by sinks/derive.py.
(
    SELECT bitXor(pupil_id, toUInt64(session)) AS key, groupUniqArray((session_date, urn)) AS places
    FROM mark_assertion
    WHERE (session_date, urn) IN (SELECT DISTINCT session_date, urn FROM touched WHERE batch IN {batches:Array(UInt64)})
      AND bitXor(pupil_id, toUInt64(session)) IN (SELECT bitXor(pupil_id, toUInt64(session)) FROM touched WHERE batch IN {batches:Array(UInt64)})
      AND source_kind != 'kiosk'
    GROUP BY key
    HAVING count() > 1
)

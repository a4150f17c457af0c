-- Session dates that hold a current mark whose code changed its meaning and which was derived by an older map.
-- Read by sinks/derive.py after a code map was published.
SELECT DISTINCT session_date FROM mark_assertion
WHERE (code_scheme, raw_code) IN
(
    SELECT scheme, raw_code FROM code_map FINAL
    WHERE (scheme, version) IN (SELECT scheme, arrayJoin(arraySlice(arrayReverseSort(groupUniqArray(version)), 1, 2)) FROM code_map GROUP BY scheme)
      AND (empty({schemes:Array(String)}) OR scheme IN {schemes:Array(String)})
    GROUP BY scheme, raw_code, canonical_code, valid_from, valid_to
    HAVING count() = 1
)
AND (session_date, urn, session, pupil_id) IN
(
    SELECT session_date, urn, session, pupil_id FROM mark_current FINAL WHERE bitShiftRight(derived_version, 64) < {version:UInt64}
)
ORDER BY session_date

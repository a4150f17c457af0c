-- The keys of one date that rederive_days.sql means, put on the work list of derive. Read by sinks/derive.py.
INSERT INTO touched (batch, session_date, urn, session, pupil_id)
SELECT {batch:UInt64}, session_date, urn, session, pupil_id FROM mark_assertion
WHERE session_date = {day:Date} AND (code_scheme, raw_code) IN
(
    SELECT scheme, raw_code FROM code_map FINAL
    WHERE (scheme, version) IN (SELECT scheme, arrayJoin(arraySlice(arrayReverseSort(groupUniqArray(version)), 1, 2)) FROM code_map GROUP BY scheme)
      AND (empty({schemes:Array(String)}) OR scheme IN {schemes:Array(String)})
    GROUP BY scheme, raw_code, canonical_code, valid_from, valid_to
    HAVING count() = 1
)
AND (session_date, urn, session, pupil_id) IN
(
    SELECT session_date, urn, session, pupil_id FROM mark_current FINAL
    WHERE session_date = {day:Date} AND bitShiftRight(derived_version, 64) < {version:UInt64}
)

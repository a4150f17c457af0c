-- derive_touched_assertions.sql where aliases concern the keys: those too of pupils linked to theirs, whom theirs count for (wanted) and
-- whose count for those. Read by sinks/derive.py.
-- One UInt64 for a key: pupil ids are random, so what comes besides is next to nothing, and derives to what it was.
(
    SELECT * FROM mark_assertion FINAL
    WHERE (session_date, urn) IN
    (
        SELECT DISTINCT session_date, urn FROM touched
        WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
    )
    AND bitXor(pupil_id, toUInt64(session)) IN
    (
        WITH keys AS
        (
            SELECT pupil_id, toUInt64(session) AS session FROM touched
            WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
        ),
        linked AS (SELECT k.session AS session, k.pupil_id AS pupil_id, l.to_pupil_id AS other FROM keys AS k INNER JOIN pupil_alias_link AS l ON k.pupil_id = l.pupil_id)
        SELECT bitXor(pupil_id, session) FROM keys
        UNION ALL
        SELECT bitXor(other, session) FROM linked
        UNION ALL
        SELECT bitXor(l.pupil_id, k.session) FROM keys AS k INNER JOIN pupil_alias_link AS l ON k.pupil_id = l.to_pupil_id
        UNION ALL
        SELECT bitXor(l.pupil_id, k.session) FROM linked AS k INNER JOIN pupil_alias_link AS l ON k.other = l.to_pupil_id
    )
)

-- `wanted` of derive_current.sql: the keys of derive_touched_linked.sql whose linked assertions are all there: those touched, and those
-- for whom the marks of a touched pupil count or once counted. Read by sinks/derive.py.
bitXor(told.1, toUInt64(b.session)) IN
(
    WITH keys AS
    (
        SELECT pupil_id, toUInt64(session) AS session FROM touched
        WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
    )
    SELECT bitXor(pupil_id, session) FROM keys
    UNION ALL
    SELECT bitXor(l.to_pupil_id, k.session) FROM keys AS k INNER JOIN pupil_alias_link AS l ON k.pupil_id = l.pupil_id
)

-- `assertions` of derive_current.sql for the keys of some batches that are to be derived: all but those that came alone, and those too
-- of the batches in `whole`. `or_named`: derive_touched_named.sql where aliases concern the keys, else nothing. Read by sinks/derive.py.
-- One UInt64 for a key: pupil ids are random, so what comes besides is next to nothing, and derives to what it was.
(
    SELECT * FROM mark_assertion FINAL
    WHERE (session_date, urn, session) IN
    (
        SELECT DISTINCT session_date, urn, session FROM touched
        WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
    )
    AND (
        bitXor(pupil_id, toUInt64(session)) IN
        (
            SELECT bitXor(pupil_id, toUInt64(session)) FROM touched
            WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
        )
        {or_named}
    )
)

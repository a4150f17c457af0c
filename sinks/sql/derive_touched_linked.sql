-- derive_touched_assertions.sql where aliases concern the keys: of the touched schools and dates those too of all pupils that aliases
-- name. They are few, and to tell whom each concerns takes the engine longer than to read them. Read by sinks/derive.py.
-- One UInt64 for a key: pupil ids are random, so what comes besides is next to nothing, and derives to what it was.
(
    SELECT * FROM mark_assertion FINAL
    WHERE (session_date, urn) IN
    (
        SELECT DISTINCT session_date, urn FROM touched
        WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
    )
    AND (
        bitXor(pupil_id, toUInt64(session)) IN
        (
            SELECT bitXor(pupil_id, toUInt64(session)) FROM touched
            WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
        )
        OR pupil_id IN (SELECT arrayJoin([pupil_id, to_pupil_id]) FROM pupil_alias)
    )
)

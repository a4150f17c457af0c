-- `wanted` of derive_linked.sql: the keys that were touched, and those for whom the marks of a touched pupil
-- count or once counted. Read by sinks/derive.py.
bitXor(told.1, toUInt64(b.session)) IN
(
    SELECT bitXor(arrayJoin([k.pupil_id, l.to_pupil_id]), toUInt64(k.session)) FROM touched AS k
    LEFT JOIN pupil_alias AS l ON k.pupil_id = l.pupil_id
    WHERE k.batch IN {batches:Array(UInt64)} AND (NOT k.alone OR k.batch IN {whole:Array(UInt64)})
)

-- `or_named` of derive_touched_assertions.sql: of the touched schools and dates also what is said of all pupils whom aliases name. They are
-- few, and to tell whom each concerns takes the engine longer than to read them. Read by sinks/derive.py.
OR pupil_id IN (SELECT arrayJoin([pupil_id, to_pupil_id]) FROM pupil_alias)

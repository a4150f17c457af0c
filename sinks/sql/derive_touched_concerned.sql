-- How many keys of some batches are those of a pupil whom an alias of any version names, and how many those of a school that has, or once
-- had, a rule for lessons. Read by sinks/derive.py.
SELECT
    countIf(pupil_id IN (SELECT arrayJoin([pupil_id, to_pupil_id]) FROM pupil_alias)), countIf(urn IN (SELECT urn FROM lesson_rule))
FROM touched
WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})

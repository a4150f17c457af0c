-- How many keys of some batches are those of a pupil whom an alias of any version names, how many those of a school that has, or once
-- had, a rule for lessons, and how many sessions of theirs those of which something was said again that decides. Read by sinks/derive.py.
-- And the rules between sources that hold. asked: derive_touched_reasserted.sql; rules: source_rules_in_force.sql.
SELECT
    countIf(pupil_id IN (SELECT arrayJoin([pupil_id, to_pupil_id]) FROM pupil_alias)), countIf(urn IN (SELECT urn FROM lesson_rule)),
    (SELECT count() FROM mark_reassertion WHERE {asked}),
    {rules}
FROM touched
WHERE batch IN {batches:Array(UInt64)} AND (NOT alone OR batch IN {whole:Array(UInt64)})
